//! Words of the storage page and of the pool form.

words! {
    /// Pools: the table, the form, what is done to one.
    Storage {
        title: "Speicherverwaltung", "Storage";
        new_pool: "Neuer Speicherpool", "New storage pool";
        none: "Es gibt noch keinen Speicherpool. Ohne einen kann nichts hochgeladen werden.",
            "There is no storage pool yet. Without one nothing can be uploaded.";
        all_well: "Alle Speicherpools sind in Ordnung.", "All storage pools are fine.";
        some_bad: "Hier stimmt etwas nicht, Grund und Abhilfe stehen beim Pool:", "Something is wrong, cause and cure stand with the pool:";
        some_tight: "Der Platz wird knapp, Bilder verschieben oder die Platte vergrößern:",
            "Room is getting tight, move images away or enlarge the disk:";
        summary: "{pools} auf {nodes} Knoten, {used} belegt, {free} frei auf {disks}",
            "{pools} on {nodes} nodes, {used} used, {free} free on {disks}";
        pools: "Speicherpools", "storage pools";
        one_pool: "Speicherpool", "storage pool";
        disks: "Platten", "disks";
        one_disk: "Platte", "disk";
        same_disk: "gleiche Platte wie {pools}", "same disk as {pools}";
        name: "Name", "Name";
        status: "Status", "Status";
        kind: "Typ", "Type";
        usage: "Speichernutzung", "Usage";
        files: "Dateien", "Files";
        priority: "Priorität", "Priority";
        actions: "Aktionen", "Actions";
        healthy: "Gesund", "Healthy";
        faulty: "Fehler", "Error";
        offline: "Offline", "Offline";
        inactive: "Inaktiv", "Inactive";
        default: "Standard", "Default";
        api_ok: "API OK", "API OK";
        api_bad: "API Fehler", "API error";
        api_unknown: "API nicht geprüft", "API not checked";
        api_how: "Noch nicht geprüft, seit dieser Server läuft: „Zustand prüfen“ oder die Diagnose lässt die anderen Knoten die Upload API URL versuchen",
            "Not checked yet since this server was started: `Check health` or the diagnosis has the other nodes try the upload API URL";
        api_nobody: "Die Upload API URL ist nicht geprüft: kein anderer Knoten ist hier verbunden, der sie versuchen könnte.",
            "The upload API URL was not checked: no other node is attached here that could try it.";
        checked: "geprüft {when}", "checked {when}";
        public_url: "Public Base URL", "Public base URL";
        upload_url: "Upload API URL", "Upload API URL";
        of: "{used} von {max}", "{used} of {max}";
        no_limit: "{used}, ohne Limit", "{used}, no limit";
        disk: "{free} frei auf der Platte", "{free} free on disk";
        disk_of: "{free} von {total} frei auf der Platte", "{free} of {total} free on disk";
        trash: "Papierkorb", "Trash";
        unowned: "Nicht zugeordnet", "Without a record";
        incoming: "Unterwegs hierher", "On the way in";
        trash_help: "Alte Kopien verschobener Bilder, die noch zurückgeholt werden können",
            "Old copies of moved images that can still be brought back";
        unowned_help: "Dateien ohne Eintrag: von Hand oder von einem älteren Knoten. Sie werden ausgeliefert und nie ungefragt gelöscht",
            "Files without a record: by hand or by an older node. They are served, and never deleted unasked";
        check: "Zustand prüfen", "Check health";
        recount: "Belegung neu berechnen", "Recalculate usage";
        edit: "Bearbeiten", "Edit";
        move_all: "Move to Pool", "Move to pool";
        delete: "Löschen", "Delete";
        copy_curl: "curl-Befehl kopieren", "Copy curl command";
        copied: "Kopiert", "Copied";
        curl: "curl-Befehl", "curl command";
        older_node: "Älterer PixelFox-Knoten", "Older PixelFox node";
        last_hot: "Hot", "Hot";
        last_warm: "Warm", "Warm";
        last_cold: "Cold", "Cold";
        last_archive: "Archive", "Archive";
        local: "Lokal", "Local";
        nfs: "NFS", "NFS";

        check_fine: "Gesund: geschrieben, gelesen und wieder entfernt in {time}. {free} frei.",
            "Healthy: written, read and removed again in {time}. {free} free.";
        check_ill: "Fehler: {problem}", "Error: {problem}";
        recount_same: "Die Belegung stimmt: {now}.", "The usage is right: {now}.";
        recount_off: "Die Belegung war mit {before} verbucht und ist {now}. Das ist jetzt berichtigt.",
            "The usage was on the books as {before} and is {now}. This has been corrected.";
        saved: "Gespeichert.", "Saved.";
        created: "Speicherpool {name} ist angelegt.", "Storage pool {name} has been made.";
        deleted: "Speicherpool {name} ist gelöscht. Sein Verzeichnis {path} auf {node} ist unverändert.",
            "Storage pool {name} has been deleted. Its directory {path} on {node} is unchanged.";

        edit_title: "Speicherpool {name} bearbeiten", "Edit storage pool {name}";
        place: "Ort", "Place";
        urls: "Adressen", "Addresses";
        rules: "Verwendung", "Use";
        name_help: "So heißt der Pool auf allen Seiten und im Log.", "The pool's name on all pages and in the log.";
        node_id: "Node ID", "Node ID";
        node_help: "NODE_ID des Knotens, der das Verzeichnis hat. Bekannt: {nodes}", "NODE_ID of the node that has the directory. Known: {nodes}";
        node_help_none: "NODE_ID des Knotens, der das Verzeichnis hat.", "NODE_ID of the node that has the directory.";
        base_path: "Basis-Pfad", "Base path";
        base_path_help: "Verzeichnis auf diesem Knoten, unter einer seiner STORAGE_ROOTS. Jeder Pool braucht ein eigenes.",
            "Directory on that node, below one of its STORAGE_ROOTS. Each pool needs one of its own.";
        upload_help: "So erreichen die anderen Knoten diesen, zum Beispiel http://app_s01:4000/api/internal/upload",
            "How the other nodes reach this one, for instance http://app_s01:4000/api/internal/upload";
        public_help: "So erreicht ein Browser diesen Knoten: Host und Port ohne /uploads, zum Beispiel http://s01.local:8082",
            "How a browser reaches this node: host and port without /uploads, for instance http://s01.local:8082";
        storage_type: "Speichertyp", "Storage type";
        storage_tier: "Performance-Tier", "Performance tier";
        tier_help: "Uploads gehen zuerst in den heißesten Pool, der Platz hat.", "Uploads go to the hottest pool with room first.";
        max_size: "Maximale Größe", "Maximum size";
        max_size_help: "Zum Beispiel 500 GB oder 2 TB. Leer oder 0: kein Limit, die Platte entscheidet.",
            "For instance 500 GB or 2 TB. Empty or 0: no limit, the disk decides.";
        priority_help: "Unter Pools desselben Tiers wird die niedrigste Zahl zuerst gewählt.",
            "Among pools of one tier the lowest number is chosen first.";
        description: "Beschreibung", "Description";
        is_active: "Aktiv", "Active";
        active_help: "Nimmt Uploads und Verschiebungen an. Ein inaktiver Pool liefert weiter aus und kann geleert werden.",
            "Takes uploads and moves. An inactive pool still serves and can be moved away from.";
        is_default: "Standard-Pool", "Default pool";
        default_help: "Nimmt Uploads, wenn kein anderer Platz hat. Genau ein Pool ist es.",
            "Takes uploads where no other has room. Exactly one pool is it.";
        legacy_node: "Älterer PixelFox-Knoten: nur über HTTP erreichbar", "Older PixelFox node: to be reached by HTTP alone";
        save: "Speichern", "Save";
        save_anyway: "Trotzdem speichern", "Save anyway";
        cancel: "Abbrechen", "Cancel";
        check_draft: "Prüfen", "Check";
        checked_fine: "Geprüft: so lässt sich der Speicherpool speichern.", "Checked: the pool can be saved like this.";
        checked_doubts: "Geprüft: es gibt Hinweise bei den Feldern. Sie lassen sich beheben, oder trotzdem speichern.",
            "Checked: there are warnings beside the fields. Put them right, or save anyway.";
        checked_errors: "Geprüft: so lässt sich der Speicherpool nicht speichern, siehe die Felder.",
            "Checked: the pool can't be saved like this, see the fields.";
        not_saved_errors: "So kann der Pool nicht funktionieren: Bitte die markierten Felder ändern.", "The pool can not work like this: please change the marked fields.";
        not_saved_doubts: "Die markierten Felder sehen falsch aus. Bitte prüfen, oder trotzdem speichern.", "The marked fields look wrong. Please check, or save anyway.";
        changed_meanwhile: "Jemand hat diesen Pool inzwischen geändert. Neben jedem Feld, das anders ist, steht was jetzt gespeichert ist. Speichern überschreibt es.",
            "Somebody has changed this pool meanwhile. Beside each field that differs stands what is saved now. Saving overwrites it.";
        gone_meanwhile: "{why}: jemand hat diesen Pool inzwischen gelöscht. Speichern legt ihn mit diesen Angaben neu an.",
            "{why}: somebody has deleted this pool meanwhile. Saving makes it anew with these values.";
        bad_legacy_id: "Die ID im älteren System ist keine Zahl.", "The id in the older system is no number.";
        saved_now: "Jetzt gespeichert: {value}", "Saved now: {value}";
        empty_value: "(leer)", "(empty)";
        yes: "Ja", "Yes";
        no: "Nein", "No";
        bad_size: "Das ist keine Größe. Zum Beispiel 500 GB, 1,5 TB oder 0.", "This is no size. For instance 500 GB, 1.5 TB or 0.";
        bad_number: "Das ist keine ganze Zahl.", "This is no whole number.";

        move_title: "In anderen Pool verschieben", "Move to another pool";
        from: "Von", "From";
        to: "Nach", "To";
        choose: "Bitte wählen", "Choose one";
        choose_first: "Bitte einen Ziel-Pool wählen.", "Choose a target pool.";
        which: "Welche Bilder", "Which images";
        which_all: "Alle, die jetzt darin sind: {n}", "All that are in it now: {n}";
        which_first: "Nur die ältesten:", "Only the oldest:";
        which_help: "Was erst nach dem Start dazukommt, bleibt. Links funktionieren die ganze Zeit: Alte Adressen leiten weiter.",
            "What comes after the start stays. Links work all the time: old addresses lead on.";
        which_some: "Einzelne Bilder lassen sich auf der Seite Bilder auswählen.", "Single images can be chosen on the page of images.";
        choose_images: "Bilder auswählen", "Choose images";
        bad_limit: "Das ist keine Anzahl: eine ganze Zahl ab 1.", "This is no number of images: a whole number from 1 on.";
        preview: "Vorschau", "Preview";
        preview_again: "Vorschau erneuern", "Preview again";
        start: "Verschieben starten", "Start moving";
        nowhere: "Es gibt keinen anderen Speicherpool, in den verschoben werden kann.", "There is no other storage pool to move to.";
        moves: "Verschiebungen aus diesem Pool", "Moves out of this pool";
        no_moves: "Noch keine.", "None yet.";
        started: "Auftrag {id} verschiebt {n}.", "Job {id} moves {n}.";
        nothing_there: "Nichts zu verschieben: Der Pool ist leer.", "Nothing to move: the pool is empty.";
        nothing_went: "Nichts davon konnte verschoben werden.", "Nothing of it could be moved.";
        left_out: "{n} ausgelassen, das erste: {why}", "{n} left out, the first: {why}";
        details: "Auftrag {n}", "Job {n}";
        moved_list: "Verschoben", "Moved";
        failed_list: "Fehlgeschlagen", "Failed";
        cancelled_list: "Abgebrochen", "Cancelled";
        skipped_note: "Ausgelassen", "Left out";
        free_of: "{bytes} frei", "{bytes} free";
        away: "offline", "offline";

        replace: "Datenträger ersetzen", "Replace disk";
        replace_title: "Datenträger von {name} ersetzen?", "Replace the disk of {name}?";
        replace_first: "Nur, wenn der Datenträger endgültig verloren ist. Ist er nur nicht eingehängt: einhängen, mehr braucht es nicht.",
            "Only if the disk is lost for good. If it is just not mounted: mount it, nothing else is needed.";
        replace_what: "Knoten {node} nimmt dann ein leeres Verzeichnis {path} für den Pool. {files} ({used}) gelten als verloren, bis der Knoten sie gefunden hat: aus einer Sicherung zurückkopiert oder doch noch auf dem alten Datenträger.",
            "Node {node} then takes an empty directory {path} for the pool. {files} ({used}) count as lost until the node has found them: copied back from a backup, or on the old disk after all.";
        replace_after: "Verlorene Bilder bleiben in der Liste und lassen sich löschen. Was noch im Papierkorb eines anderen Pools liegt, lässt sich dorthin zurückverschieben.",
            "Lost images stay in the list and can be deleted. What still lies in another pool’s trash can be moved back there.";
        replace_name: "Zur Bestätigung den Namen des Pools eingeben", "Type the pool’s name to confirm";
        replace_now: "Neu beginnen", "Begin anew";
        replaced: "{name} beginnt neu. {files} ({used}) gelten als verloren, bis sie gefunden sind.",
            "{name} begins anew. {files} ({used}) count as lost until they are found.";
        delete_title: "Speicherpool {name} löschen?", "Delete storage pool {name}?";
        delete_what: "Der Pool verschwindet aus der Verwaltung. Das Verzeichnis {path} auf Knoten {node} bleibt mit allem, was darin liegt.",
            "The pool goes from the books. The directory {path} on node {node} stays with all that lies in it.";
        delete_undo: "Das lässt sich nicht rückgängig machen: Der Pool kann neu angelegt werden, bekommt aber eine andere ID.",
            "This can't be undone: the pool can be made again, but with another id.";
        delete_holds: "Er hält noch {files} ({used}). Bilder zuerst in einen anderen Pool verschieben.",
            "It still holds {files} ({used}). Move its images to another pool first.";
        delete_trash: "In seinem Papierkorb liegen noch {trash}. Sie gehen nach „Alte Kopien aufbewahren“ von selbst; stehen dort 0 Stunden (Einstellungen), sofort.",
            "There are still {trash} in its trash. They go after the hours that old copies are kept; at once where the settings say 0.";
        delete_default: "Er ist der Standard-Pool: Zuerst einen anderen dazu machen.", "It is the default pool: make another one that first.";
        delete_now: "Speicherpool löschen", "Delete storage pool";
        one_file: "1 Datei", "1 file";
        many_files: "{n} Dateien", "{n} files";
    }
}
