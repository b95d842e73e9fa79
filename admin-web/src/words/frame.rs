//! Words around every page: navigation, banners, errors.

words! {
    /// Around every page.
    Frame {
        dashboard: "Dashboard", "Dashboard";
        images: "Bilder", "Images";
        storage: "Speicherverwaltung", "Storage";
        nodes: "Knoten", "Nodes";
        queues: "Warteschlangen", "Queues";
        settings: "Einstellungen", "Settings";
        diagnose: "Diagnose", "Diagnosis";
        navigation: "Hauptnavigation", "Main navigation";
        menu: "Menü", "Menu";
        skip: "Zum Inhalt", "Skip to content";
        language: "Sprache", "Language";
        live: "Live", "Live";
        rests: "Gleich wieder live", "Live in a moment";
        rests_why: "Mehr als vier Fenster sind offen. Sie wechseln sich ab, und dieses ist höchstens ein paar Sekunden alt; das benutzte bleibt live.",
            "More than four windows are open. They take turns, and this one is a few seconds old at most; the one in use stays live.";
        lost: "Verbindung verloren. Die Seite zeigt den Stand von {time} und holt selbst auf, sobald der Server wieder antwortet.",
            "Connection lost. This page shows the state of {time} and catches up by itself as soon as the server answers.";
        slow: "Zu viele Seiten sind offen: Diese erneuert sich nur alle 10 Sekunden, bis ein Platz frei wird.",
            "Too many pages are open: this one is renewed every 10 seconds only, until there is a seat.";
        newer: "Der Server läuft in einer neuen Version.", "The server runs a new version.";
        reload: "Neu laden", "Reload";
        back: "Zum Dashboard", "To the dashboard";
        trouble_not_found: "Das gibt es hier nicht (mehr)", "This is not here (any more)";
        trouble_refused: "Das geht so nicht", "This can't be done like this";
        trouble_changed: "Das passt nicht zum jetzigen Stand", "This does not fit the present state";
        trouble_unavailable: "Gerade nicht erreichbar", "Not reachable at the moment";
        trouble_unavailable_cure: "In ein paar Sekunden noch einmal versuchen. Bleibt es dabei, sagt das Log des Servers warum.",
            "Try again in a few seconds. If it stays like this, the server's log says why.";
        trouble_internal: "Etwas ist schiefgegangen", "Something went wrong";
        trouble_internal_cure: "Die Ursache steht im Log des Servers.", "The cause is in the server's log.";
        trouble_no_page: "Unter dieser Adresse gibt es keine Seite.", "There is no page at this address.";
        trouble_method: "Diese Adresse nimmt so eine Anfrage nicht an.", "This address does not take such a request.";
        trouble_unreadable: "Diese Adresse ist so nicht lesbar, nichts wurde geändert.", "This address can't be read like this, nothing was changed.";
    }
}
