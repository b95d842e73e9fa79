//! Words of the images' list, an image's page, and what is done to a selection.

words! {
    /// Images.
    Images {
        title: "Bilder", "Images";
        one: "1 Bild", "1 image";
        many: "{n} Bilder", "{n} images";
        at_least: "Mindestens {n} Bilder", "At least {n} images";
        none: "Noch keine Bilder.", "No images yet.";
        bad_pool: "Der Filter nennt keinen Speicherpool: seine Nummer ist eine ganze Zahl ab 1.",
            "The filter names no pool: its number is a whole number from 1 on.";
        none_found: "Kein Bild passt dazu.", "No image fits.";
        none_so_far: "Bis hierher passt keines. Es wurde noch nicht alles durchgesehen.",
            "None fits up to here. Not everything was looked through yet.";
        upload: "Bild hochladen", "Upload image";
        find: "Suchen", "Search";
        query: "Name, UUID oder Link", "Name, UUID or link";
        query_hint: "Teil des Namens, UUID, Share-Link oder Adresse einer Datei", "Part of the name, UUID, share link or address of a file";
        filters: "Filter", "Filters";
        pool: "Pool", "Pool";
        node: "Knoten", "Node";
        any: "Alle", "All";
        size_from: "Größe ab (MB)", "Size from (MB)";
        size_to: "Größe bis (MB)", "Size to (MB)";
        day_from: "Hochgeladen ab (UTC)", "Uploaded from (UTC)";
        day_to: "Hochgeladen bis (UTC)", "Uploaded until (UTC)";
        state: "Zustand", "State";
        order: "Sortierung", "Order";
        newest: "Neueste zuerst", "Newest first";
        oldest: "Älteste zuerst", "Oldest first";
        largest: "Größte zuerst", "Largest first";
        smallest: "Kleinste zuerst", "Smallest first";
        by_name: "Nach Name", "By name";
        clear: "Filter löschen", "Clear filters";
        grid: "Raster", "Grid";
        table: "Tabelle", "Table";
        view: "Ansicht", "View";
        bad_size: "Eine Zahl in MB, zum Beispiel 1,5.", "A number of MB, like 1.5.";
        bad_day: "Ein Tag wie 2026-11-24.", "A day like 2026-11-24.";
        select: "{name} auswählen", "Select {name}";
        select_all: "Alle auf dieser Seite", "All on this page";
        selected: "{n} ausgewählt", "{n} selected";
        with_selected: "Auswahl", "Selection";
        move_to: "Move to Pool", "Move to pool";
        delete: "Löschen", "Delete";
        name: "Name", "Name";
        size: "Größe", "Size";
        dimensions: "Maße", "Dimensions";
        uploaded: "Hochgeladen", "Uploaded";
        first: "Zum Anfang", "To the start";
        next: "Weiter", "Next";
        search_on: "Weiter suchen", "Search on";
        pages: "Seiten", "Pages";
        live: "In Ordnung", "Good";
        lost: "Vermisst", "Missing";
        suspect: "Prüfsumme weicht ab", "Checksum differs";
        lost_hint: "Die Datei ist in Pool {pool} nicht da. Aus einer Sicherung zurücklegen und „Prüfsumme prüfen“.",
            "The file is not in pool {pool}. Put it back from a backup and use “Check checksum”.";
        lost_kept_hint: "Die Datei ist in Pool {pool} nicht da, aber im Papierkorb von Pool {kept} liegt eine alte Kopie: Das Bild dorthin verschieben, dann ist es wieder da.",
            "The file is not in pool {pool}, but the trash of pool {kept} has an old copy: move the image there, and it is back.";
        suspect_kept_hint: "Die Bytes in Pool {pool} sind nicht die hochgeladenen, aber im Papierkorb von Pool {kept} liegt eine alte Kopie: Das Bild dorthin verschieben, dann gilt sie wieder.",
            "The bytes in pool {pool} are not those that were uploaded, but the trash of pool {kept} has an old copy: move the image there, and that one counts again.";
        suspect_hint: "Die Bytes in Pool {pool} sind nicht die hochgeladenen. Aus einer Sicherung ersetzen und „Prüfsumme prüfen“.",
            "The bytes in pool {pool} are not those that were uploaded. Replace them from a backup and use “Check checksum”.";
        not_chosen: "Kein Bild ausgewählt.", "No image is selected.";
        no_preview: "Keine Vorschau", "No preview";
        no_preview_large: "größer als 3 MiB", "larger than 3 MiB";
        no_preview_type: "diese Art zeigt kein Browser", "no browser shows this kind";
        no_preview_lost: "die Datei fehlt", "the file is missing";
        copy_link: "Share-Link kopieren", "Copy share link";
        data: "Daten", "Data";
        files: "Dateien", "Files";
        history: "Verlauf", "History";
        no_history: "Das Bild ist, wo es hochgeladen wurde.", "The image is where it was uploaded.";
        kind: "Art", "Kind";
        path: "Pfad", "Path";
        original: "Original", "Original";
        share_link: "Share-Link", "Share link";
        direct_link: "Direktlink", "Direct link";
        type_: "Typ", "Type";
        copy: "Kopieren", "Copy";
        copied: "Kopiert", "Copied";
        check: "Prüfsumme prüfen", "Check checksum";
        checking: "Wird gelesen: {n}. Das Ergebnis steht gleich bei den Dateien.", "Being read: {n}. The result will stand with the files.";
        one_copy: "1 Kopie", "1 copy";
        copies: "{n} Kopien", "{n} copies";
        nothing_to_check: "Nichts zu prüfen.", "Nothing to check.";
        under_way: "Läuft gerade", "Under way";
    }
}

words! {
    /// What is done to a selection of images.
    Selection {
        move_title: "In anderen Pool verschieben", "Move to another pool";
        delete_title: "Bilder endgültig löschen", "Delete images for good";
        target: "Ziel-Pool", "Target pool";
        choose: "Bitte wählen", "Choose one";
        choose_first: "Bitte einen Ziel-Pool wählen.", "Choose a target pool.";
        preview: "Vorschau", "Preview";
        start: "Verschieben starten", "Start moving";
        back: "Zurück", "Back";
        goes: "{images} mit {files} und {bytes}", "{images} with {files} and {bytes}";
        one_file: "1 Datei", "1 file";
        files: "{n} Dateien", "{n} files";
        takes: "dauert etwa {time}", "takes about {time}";
        takes_unknown: "Auf diesem Weg wurde noch keine Geschwindigkeit gemessen.", "No speed was measured on this way yet.";
        room: "Platz im Ziel: {bytes}, danach {after}", "Room at the target: {bytes}, afterwards {after}";
        room_unknown: "Wie viel Platz im Ziel ist, ist gerade nicht bekannt.", "How much room the target has is not known now.";
        waits: "{why}: bis das behoben ist, wartet alles davon.", "{why}: all of it waits until that is put right.";
        room_short: "Das Ziel hat nur Platz für {bytes}; was nicht passt, wartet.", "The target has room for {bytes} only; what does not fit waits.";
        stays: "Bleibt, wo es ist: {n}", "Stays where it is: {n}";
        nothing_goes: "Nichts davon kann verschoben werden.", "Nothing of it can be moved.";
        offline: "offline", "offline";
        ill: "Fehler", "fault";
        inactive: "inaktiv", "inactive";
        free: "{bytes} frei", "{bytes} free";
        lost: "{images} mit {bytes} werden von allen Knoten gelöscht, auch aus dem Papierkorb. Ihre Links antworten danach mit 404. Das lässt sich nicht rückgängig machen.",
            "{images} with {bytes} will be deleted from every node and from the trash. Their links answer 404 then. This can't be undone.";
        more: "und {n} weitere", "and {n} more";
        delete: "Endgültig löschen", "Delete for good";
        gone: "{n} davon gibt es nicht mehr.", "{n} of them are gone already.";
        all_gone: "Diese Bilder gibt es nicht mehr.", "These images are gone.";
    }
}
