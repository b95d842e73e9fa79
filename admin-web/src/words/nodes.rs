//! Words of the nodes' page.

words! {
    /// The nodes.
    Nodes {
        title: "Knoten", "Nodes";
        all_well: "Alle Knoten sind verbunden.", "All nodes are connected.";
        one_well: "Der Knoten ist verbunden.", "The node is connected.";
        one_away: "1 von {m} Knoten ist offline.", "1 of {m} nodes is offline.";
        away: "{n} von {m} Knoten sind offline.", "{n} of {m} nodes are offline.";
        away_cure: "Was dort liegt, ist solange nicht abrufbar; Aufträge warten und laufen von selbst weiter. Dort prüfen: Läuft der Dienst, und erreicht er die Adresse in COORDINATOR_URL?",
            "What lies there can't be fetched meanwhile; jobs wait and go on by themselves. Check there: does the service run, and does it reach the address in COORDINATOR_URL?";
        look: "Alle Knoten sind verbunden, aber nicht alles stimmt: siehe unten.", "All nodes are connected, but not all is right: see below.";
        to_diagnose: "Zur Diagnose", "To the diagnosis";
        none: "Noch kein Knoten hat sich gemeldet.", "No node has connected yet.";
        none_cure: "Auf dem Speicherserver node-agent starten, mit einer eigenen NODE_ID, der Adresse dieses Servers als COORDINATOR_URL und demselben REPLICATION_SECRET. Er erscheint hier von selbst.",
            "On the storage server start node-agent with a NODE_ID of its own, the address of this server as COORDINATOR_URL and the same REPLICATION_SECRET. It appears here by itself.";
        node: "NODE_ID", "NODE_ID";
        state: "Status", "State";
        online: "Online", "Online";
        offline: "Offline", "Offline";
        version: "Version", "Version";
        other_version: "Der Server hat {version}: den Knoten auf dieselbe Version bringen.", "The server has {version}: bring the node to the same version.";
        address: "Adresse", "Address";
        pools: "Speicherpools", "Storage pools";
        no_pools: "keiner", "none";
        new_pool: "Neuer Speicherpool", "New storage pool";
        pool_good: "Gesund", "Healthy";
        pool_bad: "Fehler", "Error";
        pool_idle: "Inaktiv", "Inactive";
        commands: "Laufende Befehle", "Running commands";
        slots: "{n} von {m}", "{n} of {m}";
        no_slots: "nimmt keine Aufträge an (DISABLE_JOB_WORKERS=1)", "takes no jobs (DISABLE_JOB_WORKERS=1)";
        free: "Freier Speicher", "Free space";
        same_disk: "gleiche Platte wie {nodes}", "same disk as {nodes}";
        free_of: "von", "of";
        tight: "Wird knapp: etwas verschieben oder die Platte vergrößern.", "Gets tight: move something away or enlarge the disk.";
        waiting: "Wartende Aufträge", "Waiting jobs";
        waiting_for_it: "warten auf diesen Knoten", "wait for this node";
        many: "{n} oder mehr", "{n} or more";
        clock_ahead: "Uhr geht {time} vor: dort die Zeit abgleichen (NTP).", "Clock is {time} ahead: synchronise it there (NTP).";
        clock_behind: "Uhr geht {time} nach: dort die Zeit abgleichen (NTP).", "Clock is {time} behind: synchronise it there (NTP).";
    }
}
