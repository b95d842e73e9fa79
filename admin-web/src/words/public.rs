//! Words of the pages for everyone: upload, and an image's own page.

words! {
    /// The upload page, its script and the image page.
    Public {
        upload_title: "Bild hochladen", "Upload an image";
        lead: "Ein Bild hineingeben, einen Link herausbekommen.", "Put a picture in, get a link out.";
        choose: "Bilder auswählen", "Choose images";
        choose_one: "Bild auswählen", "Choose an image";
        or_drop: "oder hierher ziehen, oder aus der Zwischenablage einfügen", "or drop them here, or paste from the clipboard";
        drop_now: "Loslassen zum Hochladen", "Drop to upload";
        send: "Hochladen", "Upload";
        formats: "JPG, PNG, GIF, WebP, AVIF oder BMP", "JPG, PNG, GIF, WebP, AVIF or BMP";
        up_to: "bis {size} je Bild", "up to {size} per image";
        per_minute: "höchstens {n} pro Minute", "at most {n} a minute";
        unchanged: "Gespeichert wird das Bild genau so, wie es ist - auch mit seinen Aufnahmedaten.",
            "The image is stored exactly as it is - what the camera noted in it included.";
        closed_title: "Hochladen nur mit API-Schlüssel", "Uploads need an API key";
        closed: "Hier kann gerade nur hochladen, wer einen API-Schlüssel hat. Links zu Bildern gehen wie immer.",
            "Only those who have an API key can upload here at present. Links to images work as always.";
        closed_login: "Anmelden als Betreiber", "Sign in as operator";
        yours: "Deine Bilder", "Your images";
        copy_all: "Alle Links kopieren", "Copy all links";
        again: "Weiteres Bild hochladen", "Upload another image";

        waiting: "Wartet", "Waiting";
        sending: "{percent} - {rate}", "{percent} - {rate}";
        storing: "Wird gespeichert …", "Being stored …";
        done: "Fertig", "Done";
        duplicate: "Bereits vorhanden", "Already there";
        failed: "Nicht hochgeladen", "Not uploaded";
        cancelled: "Abgebrochen", "Cancelled";
        retry_in: "Zu viele auf einmal - weiter in {n} s", "Too many at once - going on in {n} s";
        cancel: "Abbrechen", "Cancel";
        retry: "Erneut versuchen", "Try again";
        summary: "{done} von {all} hochgeladen", "{done} of {all} uploaded";
        leave: "Es wird noch hochgeladen.", "Images are still being uploaded.";

        bad_type: "Das ist kein Bild, das hier angenommen wird: JPG, PNG, GIF, WebP, AVIF oder BMP, nach dem Inhalt und nicht nach dem Namen.",
            "This is no image that is taken here: JPG, PNG, GIF, WebP, AVIF or BMP, by content and not by name.";
        bad_cut: "Diesem Bild fehlt das Ende: Die Datei ist unvollständig. Bitte die ganze Datei hochladen.",
            "The end of this image is missing: the file is not whole. Please upload the whole file.";
        bad_size: "Das Bild ist zu groß: erlaubt sind {size}.", "The image is too large: {size} are allowed.";
        bad_empty: "Die Datei ist leer.", "The file is empty.";
        bad_none: "Es wurde kein Bild ausgewählt.", "No image was chosen.";
        bad_form: "Das Bild kam nicht vollständig an. Bitte noch einmal versuchen.", "The image did not arrive whole. Please try again.";
        bad_key: "Hochladen geht hier nur mit API-Schlüssel oder Anmeldung.", "Uploads need an API key or a login here.";
        bad_many: "Zu viele Bilder in kurzer Zeit. In {n} Sekunden geht es weiter.", "Too many images in a short time. It goes on in {n} seconds.";
        bad_room: "Gerade ist kein Speicherplatz frei. Der Betreiber sieht das.", "There is no room at the moment. The operator sees it.";
        bad_away: "Der Speicher ist gerade nicht erreichbar. Bitte gleich noch einmal versuchen.", "The storage can't be reached at the moment. Please try again shortly.";
        bad_offline: "Keine Verbindung zum Server.", "No connection to the server.";
        bad_other: "Das hat nicht geklappt.", "That did not work.";

        direct: "Direktlink", "Direct link";
        html: "HTML", "HTML";
        bbcode: "BBCode", "BBCode";
        markdown: "Markdown", "Markdown";
        page: "Seite des Bildes", "Image page";
        links: "Links", "Links";
        more_links: "Weitere Links", "More links";
        copy: "Kopieren", "Copy";
        copied: "Kopiert", "Copied";
        open_original: "Original öffnen", "Open original";
        dimensions: "Abmessungen", "Dimensions";
        pixels: "{width} × {height} Pixel", "{width} × {height} pixels";
        size: "Größe", "Size";
        kind: "Format", "Format";
        uploaded: "Hochgeladen", "Uploaded";
        home: "Startseite", "Home";
        gone_title: "Hier ist kein Bild (mehr)", "There is no image here (any more)";
        gone: "Unter diesem Link ist kein Bild zu finden. Vielleicht wurde es gelöscht, oder im Link fehlt ein Zeichen.",
            "No image is found under this link. It may have been deleted, or a character of the link is missing.";
        away: "Der Speicher, auf dem dieses Bild liegt, ist gerade nicht erreichbar. Das Bild ist nicht gelöscht: Bitte später noch einmal versuchen.",
            "The storage that has this image can't be reached right now. The image is not deleted: please try again later.";
        lost_title: "Diese Seite gibt es nicht", "There is no such page";
        lost: "Unter dieser Adresse ist nichts. Vielleicht ist der Link alt, oder es fehlt ein Zeichen.",
            "There is nothing at this address. The link may be old, or a character of it is missing.";
        refused_title: "So geht es hier nicht", "That does not work here";
        bad_method: "Diese Adresse nimmt nur an, was ein Formular schickt. Hochladen geht auf der Startseite.",
            "This address only takes what a form sends. Uploads begin on the home page.";
        bad_amount: "Was gesendet wurde, ist größer als erlaubt.", "What was sent is larger than what is allowed.";
        bad_request: "Mit dieser Anfrage lässt sich nichts anfangen. Bitte auf der Startseite neu beginnen.",
            "Nothing can be done with this request. Please begin again on the home page.";
        many_title: "Zu viele Anfragen", "Too many requests";
        bad_requests: "Das waren zu viele in kurzer Zeit. In {n} Sekunden geht es weiter.",
            "These were too many in a short time. It goes on in {n} seconds.";
        troubled_title: "Gerade nicht erreichbar", "Not reachable at the moment";
    }
}
