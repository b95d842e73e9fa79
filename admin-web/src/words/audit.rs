//! Words of the audit.

words! {
    /// Who changed what.
    Audit {
        title: "Protokoll", "Audit log";
        intro: "Jede Änderung mit wer, wann, was vorher war und was jetzt ist. Anmeldungen gehören dazu.",
            "Every change with who, when, what was before and what is now. Sign-ins are part of it.";
        at: "Zeit", "Time";
        actor: "Wer", "Who";
        action: "Was", "What";
        subject: "Woran", "On what";
        detail: "Näheres", "Details";
        change: "Vorher und nachher", "Before and after";
        was: "vorher", "before";
        became: "jetzt", "now";
        filter: "Anzeigen", "Show";
        none: "Dazu gibt es keine Einträge.", "There are no entries for this.";
        all: "Alle Einträge", "All entries";
        older: "Ältere", "Older";
        newest: "Neueste", "Newest";
        any: "alle", "any";
        empty_value: "leer", "empty";
        yes: "ja", "yes";
        no: "nein", "no";
        token: "ADMIN_TOKEN (gRPC)", "ADMIN_TOKEN (gRPC)";
        server: "PixelFox selbst", "PixelFox itself";
        console: "Befehl am Server", "command on the server";
        create_account: "Konto angelegt", "Account created";
        create_api_key: "API-Schlüssel angelegt", "API key created";
        create_pool: "Speicherpool angelegt", "Pool created";
        delete_images: "Bilder gelöscht", "Images deleted";
        delete_pool: "Speicherpool gelöscht", "Pool deleted";
        update_pool: "Speicherpool geändert", "Pool changed";
        recalculate_usage: "Belegung neu berechnet", "Usage recalculated";
        move_images: "Bilder verschoben", "Images moved";
        move_pool: "Speicherpool verschoben", "Pool moved";
        undo_moves: "Verschieben rückgängig gemacht", "Move taken back";
        cancel_jobs: "Aufträge abgebrochen", "Jobs cancelled";
        pause_jobs: "Aufträge pausiert", "Jobs paused";
        replace_pool_disk: "Datenträger ersetzt", "Disk replaced";
        resume_jobs: "Aufträge fortgesetzt", "Jobs resumed";
        retry_jobs: "Aufträge erneut versucht", "Jobs retried";
        pause_queue: "Warteschlange pausiert", "Queue paused";
        resume_queue: "Warteschlange fortgesetzt", "Queue resumed";
        revoke_api_key: "API-Schlüssel zurückgezogen", "API key revoked";
        set_password: "Passwort gesetzt", "Password set";
        sign_in: "Angemeldet", "Signed in";
        sign_in_failed: "Anmeldung gescheitert", "Sign-in failed";
        sign_out: "Abgemeldet", "Signed out";
        stale_copy: "Veraltete Kopie gefunden", "Stale copy found";
        update_settings: "Einstellungen geändert", "Settings changed";
        verify_images: "Prüfsummen geprüft", "Checksums checked";
        api_key: "API-Schlüssel", "API key";
        queue: "Warteschlange", "Queue";
        jobs: "Aufträge", "Jobs";
        settings: "Einstellungen", "Settings";
        legacy_pool_id: "ID im älteren System", "Id in the older system";
        legacy_node: "Älterer PixelFox-Knoten", "Older PixelFox node";
        revision: "Stand", "Revision";
        paused: "Pausiert", "Paused";
        images: "Bilder", "Images";
        used_bytes: "Belegung", "Usage";
        used_files: "Dateien", "Files";
        reserved_bytes: "Unterwegs hierher", "On the way in";
        trash_bytes: "Papierkorb", "Trash";
        trash_files: "Dateien im Papierkorb", "Files in the trash";
    }
}
