//! Words of the diagnosis.

words! {
    /// What commonly goes wrong, looked for.
    Diagnose {
        title: "Diagnose", "Diagnosis";
        intro: "Prüft, was zwischen Knoten, Speicherpools, URLs und Secrets schiefgehen kann. Dazu schreibt jeder Knoten in jeden seiner Speicherpools eine kleine Testdatei, liest sie zurück und entfernt sie wieder; sonst wird nichts geändert.",
            "Checks what can go wrong between nodes, pools, URLs and secrets. For that each node writes a small test file into each of its pools, reads it back and removes it again; nothing else is changed.";
        start: "Diagnose starten", "Start the diagnosis";
        running: "Läuft seit {time}", "Running for {time}";
        too_long: "der Server hat zu lange gebraucht", "the server took too long";
        in_order: "{n} in Ordnung", "{n} in order";
        again: "Noch einmal prüfen", "Check again";
        all_pools: "Alles prüfen", "Check everything";
        took: "Geprüft in {time}", "Checked in {time}";
        fine: "Alles in Ordnung", "Everything is fine";
        failed_one: "Fehler", "failure";
        failed_many: "Fehler", "failures";
        warning_one: "Hinweis", "warning";
        warning_many: "Hinweise", "warnings";
        to_do: "Was zu tun ist", "What to do";
        cut_off: "Die Prüfung brach ab: {why}", "The check broke off: {why}";
        nodes: "Knoten", "Nodes";
        pools: "Speicherpools", "Storage pools";
        ways: "Von Knoten zu Knoten", "From node to node";
        ways_help: "Zeile: wer fragt. Spalte: wessen Upload API URL gefragt wird. Geprüft werden Erreichbarkeit und REPLICATION_SECRET.",
            "Row: who asks. Column: whose upload API URL is asked. Checked are reachability and REPLICATION_SECRET.";
        from: "von", "from";
        subject: "Wo", "Where";
        check: "Prüfung", "Check";
        seen: "Befund", "Found";
        measured: "Gesehen von", "Seen by";
        by_node: "Knoten {name}", "node {name}";
        of_pool: "Speicherpool {name}", "pool {name}";
        by_server: "Server {name}", "server {name}";
        ok: "OK", "OK";
        warning: "Hinweis", "Warning";
        failed: "Fehler", "Failed";
        not_checked: "nicht geprüft", "not checked";
        attached: "Verbunden", "Attached";
        node_id: "Node ID", "Node ID";
        secret: "Secrets", "Secrets";
        environment: "Umgebung", "Environment";
        clock: "Uhr", "Clock";
        version: "Version", "Version";
        base_path: "Basis-Pfad", "Base path";
        same_directory: "Eigenes Verzeichnis", "Own directory";
        write: "Schreiben", "Write";
        space: "Platz", "Space";
        public_base_url: "Public Base URL", "Public base URL";
        upload_api_url: "Upload API URL", "Upload API URL";
    }
}
