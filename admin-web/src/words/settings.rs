//! Words of the settings and the API keys.

words! {
    /// The settings.
    Settings {
        title: "Einstellungen", "Settings";
        at_once: "Jede Änderung gilt sofort, auf jedem Knoten.", "Each change takes effect at once, on every node.";
        uploads: "Hochladen", "Uploads";
        moves: "Verschieben", "Moves";
        space: "Speicherplatz", "Space";
        direct_upload_enabled: "Direct-to-Storage Upload aktivieren", "Enable direct-to-storage upload";
        direct_upload_enabled_help: "Der Browser sendet direkt an den Speicherknoten; kann er ihn nicht erreichen, nimmt er den Weg über die App.",
            "The browser sends straight to the storage node; where it can't reach that, it goes through the app.";
        public_uploads: "Hochladen ohne Anmeldung erlauben", "Allow uploads without a login";
        public_uploads_help: "Aus: Hochladen geht nur mit Anmeldung oder API-Schlüssel.", "Off: uploads need a login or an API key.";
        upload_max_bytes: "Größte Datei", "Largest file";
        upload_max_bytes_help: "Größere Dateien werden abgewiesen.", "Larger files are refused.";
        upload_rate_limit_per_ip: "Uploads pro Minute und IP-Adresse", "Uploads per minute and IP address";
        upload_rate_limit_per_user: "Uploads pro Minute und Benutzer", "Uploads per minute and user";
        per_ip_help: "Gilt für Uploads ohne Anmeldung. 0: keine Grenze.", "For uploads without a login. 0: no limit.";
        per_user_help: "Gilt je Anmeldung und je API-Schlüssel. 0: keine Grenze.", "For each login and each API key. 0: no limit.";
        per_minute: "pro Minute", "per minute";
        replication_require_checksum: "Checksum bei Replikation erzwingen", "Require a checksum for replication";
        replication_require_checksum_help: "Ein Knoten nimmt Kopien nur mit SHA-256 an. Ausschalten nur, solange ältere Knoten oder Skripte ohne sie senden.",
            "A node takes copies with a SHA-256 only. Switch it off only while older nodes or scripts send without.";
        move_bandwidth_per_node: "Bandbreite fürs Verschieben, je Knoten", "Bandwidth for moves, per node";
        move_bandwidth_per_node_help: "So viel sendet ein Knoten dafür höchstens. 0: keine Grenze.", "A node sends no more than that for them. 0: no limit.";
        move_slots_per_node: "Gleichzeitige Übertragungen, je Knoten", "Transfers at once, per node";
        move_slots_per_node_help: "", "";
        at_a_time: "gleichzeitig", "at once";
        trash_hours: "Alte Kopien aufbewahren (Stunden)", "Keep old copies (hours)";
        trash_hours_help: "So lange lässt sich ein Verschieben rückgängig machen. 0: keine wird aufbewahrt. Wird eine Platte voll, gehen die ältesten früher.",
            "A move can be undone for so long. 0: none is kept. Where a disk gets full the oldest go earlier.";
        hours: "Stunden", "hours";
        reserve_bytes: "Auf jeder Platte freihalten", "Keep free on each disk";
        reserve_bytes_help: "Leer: 1 GiB oder 1 % der Platte, was kleiner ist.", "Empty: 1 GiB or 1 % of the disk, whichever is less.";
        unit: "Einheit: {name}", "Unit: {name}";
        save: "Speichern", "Save";
        saved: "Gespeichert, gilt jetzt überall: {what}.", "Saved and in effect everywhere: {what}.";
        nothing_new: "Nichts geändert: alles war schon so.", "Nothing changed: all was so already.";
        on: "an", "on";
        off: "aus", "off";
        no_limit: "keine Grenze", "no limit";
        automatic: "automatisch", "automatic";
        not_saved: "Nicht gespeichert. Bitte ansehen:", "Not saved. Please look at:";
        not_saved_because: "Nicht gespeichert, die Eingaben stehen noch da: {why}", "Not saved, what you typed is still here: {why}";
        missing: "Hier fehlt eine Zahl.", "A number is missing here.";
        no_count: "Hier muss eine ganze Zahl stehen, ohne Punkt und Komma.", "This must be a whole number without separators.";
        no_size: "Hier muss eine Zahl stehen, mit höchstens zwei Nachkommastellen und ohne Tausenderpunkte.",
            "This must be a number with two decimals at most and no thousands separators.";
        no_unit: "Diese Einheit gibt es nicht.", "There is no such unit.";
        range: "{low} bis {high}.", "{low} to {high}.";
        not_in_range: "Dieser Wert ist außerhalb dessen, was erlaubt ist.", "This value is outside of what is allowed.";
        outside: "Erlaubt ist {low} bis {high}.", "Allowed is {low} to {high}.";
        stale: "Inzwischen hat jemand das auf „{now}“ geändert. Noch einmal speichern ersetzt es durch diesen Wert.",
            "Meanwhile somebody changed this to “{now}”. Saving once more replaces it by this value.";
        keys: "API-Schlüssel", "API keys";
        keys_help: "Programme laden damit hoch, ohne Anmeldung: als Kopfzeile X-API-Key. Jeder Schlüssel ist ein eigener Benutzer mit eigener Grenze.",
            "Programs upload with them, without a login: as header X-API-Key. Each key is a user of its own with its own limit.";
        keys_unknown: "Die Schlüssel lassen sich gerade nicht lesen: {why}", "The keys can't be read at the moment: {why}";
        no_keys: "Es gibt noch keinen Schlüssel.", "There is no key yet.";
        key_name: "Name", "Name";
        key_made: "Erstellt", "Made";
        key_used: "Zuletzt benutzt", "Last used";
        never: "nie", "never";
        actions: "Aktionen", "Actions";
        new_key: "Neuer Schlüssel", "New key";
        new_key_help: "Wer oder was ihn bekommt, zum Beispiel „Blog“. Höchstens 100 Zeichen.", "Who or what gets it, for instance “Blog”. At most 100 characters.";
        make_key: "Schlüssel erstellen", "Make a key";
        name_missing: "Hier fehlt ein Name.", "A name is missing here.";
        name_long: "Der Name darf höchstens 100 Zeichen haben, es sind {n}.", "The name may have at most 100 characters, it has {n}.";
        name_control: "Der Name darf keine Steuerzeichen enthalten.", "The name may have no control characters.";
        made: "Schlüssel „{name}“ erstellt. Er steht nur dieses eine Mal hier: jetzt kopieren und sicher aufbewahren.",
            "Key “{name}” is made. It is shown this one time only: copy it now and keep it safe.";
        copy: "Kopieren", "Copy";
        copied: "Kopiert", "Copied";
        revoke: "Widerrufen", "Revoke";
        revoke_one: "Schlüssel „{name}“ widerrufen", "Revoke key “{name}”";
        revoke_ask: "Schlüssel „{name}“ widerrufen?", "Revoke key “{name}”?";
        revoke_lost: "Wer ihn benutzt, kann sofort nicht mehr hochladen. Ein widerrufener Schlüssel kommt nicht wieder; seine Bilder bleiben.",
            "Who uses it can't upload any more, at once. A revoked key does not come back; its images stay.";
        keep: "Behalten", "Keep it";
        revoked: "Schlüssel „{name}“ ist widerrufen.", "Key “{name}” is revoked.";
        gone: "Diesen Schlüssel gibt es nicht mehr: er ist schon widerrufen.", "There is no such key any more: it has been revoked already.";
    }
}
