//! Words of the gate: signing in and out, forms that are out of date.

words! {
    /// Signing in and out.
    Gate {
        title: "Anmelden", "Sign in";
        username: "Benutzername", "User name";
        password: "Passwort", "Password";
        sign_in: "Anmelden", "Sign in";
        sign_out: "Abmelden", "Sign out";
        audit: "Protokoll", "Audit log";
        over: "Die Sitzung ist zu Ende. Bitte neu anmelden; das Formular wird danach noch einmal gezeigt.",
            "The session is over. Please sign in again; the form is shown once more after that.";
        wrong: "Benutzername oder Passwort ist falsch.", "User name or password is wrong.";
        slower: "Zu viele Versuche. In {n} s noch einmal versuchen.", "Too many tries. Try again in {n} s.";
        away: "Die Anmeldung ist gerade nicht möglich. In ein paar Sekunden noch einmal versuchen.",
            "Signing in is not possible at the moment. Try again in a few seconds.";
        old_door: "Diese Seite war zu alt, oder der Browser nimmt keine Cookies an. Bitte noch einmal versuchen.",
            "This page was too old, or the browser takes no cookies. Please try again.";
        again_title: "Noch einmal senden?", "Send again?";
        again: "Das Formular stammt aus einer früheren Sitzung, darum wurde nichts geändert. Das hier war ausgefüllt:",
            "The form was of an earlier session, so nothing was changed. This had been filled in:";
        switched: "Die Sprache ist umgestellt. Das hier war ausgefüllt und wird erst mit dem Knopf gesendet:",
            "The language is switched. This had been filled in, and is sent by the button only:";
        again_send: "Noch einmal senden", "Send again";
        again_more: "und {count} weitere Felder", "and {count} more fields";
        again_not: "Nicht senden", "Do not send";
        foreign: "Das Formular kam nicht von dieser Adresse. Steht ein Proxy davor, muss er den Host-Header des Browsers weitergeben.",
            "The form did not come from this address. A proxy in between must pass on the browser's Host header.";
        stale: "Das Formular hatte kein gültiges csrf_token. Bitte die Seite neu laden und noch einmal versuchen.",
            "The form had no valid csrf_token. Please reload the page and try again.";
        no_form: "Das ist kein Formular, wie die Seiten eines senden.", "This is no form as the pages send one.";
        cut: "Das Formular kam nicht ganz an. Bitte noch einmal senden.",
            "The form did not arrive whole. Please send it again.";
        too_many: "Gerade kommen zu viele große Formulare auf einmal. Bitte anmelden und dann noch einmal senden.",
            "Too many large forms come at once at the moment. Please sign in, then send it again.";
        too_large: "Das Formular ist zu groß.", "The form is too large.";
        here: "Weiter", "Continue";
    }
}
