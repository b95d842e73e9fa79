//! Words of the dashboard.

words! {
    /// The dashboard.
    Dashboard {
        title: "Dashboard", "Dashboard";
        images: "Bilder", "Images";
        bytes: "Gespeichert", "Stored";
        nodes_online: "Knoten online", "Nodes online";
        rate: "Übertragung jetzt", "Transfer now";
    }
}
