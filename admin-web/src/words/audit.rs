//! Words of the audit.

words! {
    /// Who changed what.
    Audit {
        title: "Protokoll", "Audit log";
        intro: "Jede Änderung mit wer, wann, was vorher war und was jetzt ist. Per gRPC mit ADMIN_TOKEN heißt token, server das Programm selbst, console ein Befehl daneben.",
            "Every change with who, when, what was before and what is now. By gRPC with ADMIN_TOKEN is token, server the program itself, console a command beside it.";
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
        any: "beliebig", "any";
    }
}
