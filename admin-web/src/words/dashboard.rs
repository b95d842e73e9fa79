//! Words of the dashboard.

words! {
    /// The dashboard.
    Dashboard {
        title: "Dashboard", "Dashboard";
        all_well: "Alles in Ordnung", "Everything is fine";
        all_well_more: "{nodes} Knoten online, alle Speicherpools gesund.", "{nodes} nodes online, all storage pools healthy.";
        one_well_more: "1 Knoten online, alle Speicherpools gesund.", "1 node online, all storage pools healthy.";
        look: "Ein Blick lohnt sich", "Worth a look";
        broken: "Hier stimmt etwas nicht", "Something is wrong";
        attention: "Was Aufmerksamkeit braucht", "What needs attention";
        figures: "Kennzahlen", "Figures";
        images: "Bilder", "Images";
        files: "{n} Dateien", "{n} files";
        one_file: "1 Datei", "1 file";
        bytes: "Gespeichert", "Stored";
        nodes_online: "Knoten online", "Nodes online";
        of: "von {n}", "of {n}";
        rate: "Übertragung jetzt", "Transfer now";
        under_way: "{n} Bilder unterwegs", "{n} images under way";
        one_under_way: "1 Bild unterwegs", "1 image under way";
        jobs: "Aufträge", "Jobs";
        pending: "Wartend", "Waiting";
        processing: "In Bearbeitung", "Running";
        paused: "Pausiert", "Paused";
        failed: "Fehlgeschlagen", "Failed";
        cluster: "Cluster", "Cluster";
        cluster_label: "Die Knoten mit der Füllung ihrer Speicherpools, und Linien, wo gerade Bilder unterwegs sind",
            "The nodes with the fill of their storage pools, and lines where images are under way now";
        online: "Online", "Online";
        offline: "Offline", "Offline";
        no_pools: "keine Speicherpools", "no storage pools";
        more_pools: "+{n} weitere", "+{n} more";
        last_hour: "Durchsatz der letzten Stunde", "Throughput of the last hour";
        uploaded: "Hochgeladen", "Uploaded";
        moved: "Verschoben", "Moved";
        peak: "Spitze {rate}", "peak {rate}";
        still: "In der letzten Stunde kam nichts.", "Nothing came in the last hour.";
        an_hour_ago: "vor 1 Std.", "1 h ago";
        just_now: "jetzt", "now";
        newest: "Neueste Bilder", "Newest images";
        all_images: "Alle Bilder", "All images";
        no_images: "Noch keine Bilder.", "No images yet.";
        upload_first: "Das erste hochladen", "Upload the first one";

        to_nodes: "Zu den Knoten", "To the nodes";
        to_pool: "Zum Speicherpool", "To the storage pool";
        to_queue: "Zur Warteschlange", "To the queue";
        to_images: "Zu diesen Bildern", "To these images";
        make_pool: "Neuer Speicherpool", "New storage pool";
        node_offline: "Knoten {node} ist offline (zuletzt gesehen {when}). Seine Bilder sind solange nicht erreichbar.",
            "Node {node} is offline (last seen {when}). Its images can't be reached until it is back.";
        node_idle_offline: "Knoten {node} ist offline (zuletzt gesehen {when}). Er hat keine Speicherpools.",
            "Node {node} is offline (last seen {when}). It has no storage pools.";
        pool_problem: "Speicherpool {pool} ({node}): {problem}", "Storage pool {pool} ({node}): {problem}";
        pool_full: "Speicherpool {pool} ist zu {percent} voll.", "Storage pool {pool} is {percent} full.";
        disk_full: "Auf der Platte von Speicherpool {pool} sind nur noch {free} frei.",
            "Only {free} are left on the disk of storage pool {pool}.";
        shared_disk_full: "Auf der gleichen Platte der Speicherpools {pool} sind nur noch {free} frei.",
            "Only {free} are left on the disk that storage pools {pool} share.";
        free: "{free} frei", "{free} free";
        same_disk: "gleiche Platte: {pools}", "same disk: {pools}";
        percent_full: "{percent} voll", "{percent} full";
        no_pool_takes: "Kein Speicherpool ist aktiv, gesund und hat Platz: Hochladen geht gerade nicht.",
            "No storage pool is active, healthy and has room: uploading is not possible now.";
        queue_paused: "Die Warteschlange ist pausiert: Es wird nichts verschoben oder gelöscht, bis sie fortgesetzt wird.",
            "The queue is paused: nothing is moved or deleted until it is resumed.";
        jobs_failed: "{n} Aufträge sind fehlgeschlagen.", "{n} jobs have failed.";
        one_job_failed: "1 Auftrag ist fehlgeschlagen.", "1 job has failed.";
        files_lost: "Vermisste Dateien: {n}. Sie liegen nicht dort, wo sie sein sollten.",
            "Files lost: {n}. They are not where they should be.";
        files_suspect: "Dateien mit abweichender Prüfsumme: {n}.", "Files whose checksum differs: {n}.";
        versions_apart: "Die Knoten laufen in verschiedenen Versionen: {versions}.",
            "The nodes run different versions: {versions}.";
    }
}
