//! Words of the queue and of a job's page.

words! {
    /// The queue.
    Queues {
        title: "Warteschlangen", "Queues";
        pause: "Warteschlange pausieren", "Pause queue";
        resume: "Warteschlange fortsetzen", "Resume queue";
        all_done: "Nichts zu tun: kein Auftrag ist offen, keiner ist fehlgeschlagen.", "Nothing to do: no job is open, none has failed.";
        some_open: "{n} Aufträge sind offen. Worauf einer wartet, steht bei ihm.", "{n} jobs are open. What one waits for stands with it.";
        one_open: "1 Auftrag ist offen. Worauf er wartet, steht bei ihm.", "1 job is open. What it waits for stands with it.";
        some_failed: "{n} Aufträge sind fehlgeschlagen: den Grund ansehen, beheben und „Erneut versuchen“.",
            "{n} jobs have failed: look at the cause, put it right and use “Try again”.";
        one_failed: "1 Auftrag ist fehlgeschlagen: den Grund ansehen, beheben und „Erneut versuchen“.",
            "1 job has failed: look at the cause, put it right and use “Try again”.";
        show_failed: "Ansehen", "Look at them";
        is_paused: "Die Warteschlange ist pausiert. Nichts wird kopiert, bis sie fortgesetzt wird.",
            "The queue is paused. Nothing is copied until it is resumed.";
        did_pause: "Die Warteschlange ist pausiert. Laufendes Kopieren hält an und zählt nicht als Versuch.",
            "The queue is paused. Copying stops and does not count as an attempt.";
        did_resume: "Die Warteschlange läuft weiter.", "The queue goes on.";
        rate: "Übertragung jetzt", "Transfer now";
        counted: "Gezählt {when}", "Counted {when}";
        state: "Zustand", "State";
        kind: "Art", "Kind";
        node: "Knoten", "Node";
        pool: "Pool", "Pool";
        any: "Alle", "All";
        scope: "Anzeigen", "Show";
        scope_top: "Aufträge", "Jobs";
        scope_all: "Aufträge und ihre Bilder", "Jobs and their images";
        filter: "Filtern", "Filter";
        clear: "Filter löschen", "Clear filters";
        filters: "Filter", "Filters";
        job: "Auftrag", "Job";
        what: "Bild oder Pools", "Image or pools";
        progress: "Fortschritt", "Progress";
        actions: "Aktionen", "Actions";
        created: "Angelegt", "Created";
        started: "Begonnen", "Started";
        finished: "Beendet", "Ended";
        none: "Hier ist nichts zu tun: keine Aufträge.", "Nothing to do here: no jobs.";
        none_found: "Kein Auftrag passt dazu.", "No job fits.";
        one: "1 Auftrag", "1 job";
        many: "{n} Aufträge", "{n} jobs";
        at_least: "Mindestens {n} Aufträge", "At least {n} jobs";
        for_all: "Für alle, die passen:", "For all that fit:";
        sure_title: "Für alle, die passen?", "For all that fit?";
        unreadable: "Nichts geändert: „{value}“ im Feld „{field}“ sagt nicht, was gemeint ist. Bitte noch einmal aus der Liste wählen.",
            "Nothing changed: `{value}` in the field `{field}` does not say what is meant. Please choose from the list again.";
        sure_cancel: "Abbrechen von: {n}. Jedes Bild bleibt ganz an einem Ort; was schon drüben ist, bleibt dort.",
            "Cancel: {n}. Each image stays whole in one place; what has arrived stays there.";
        sure_retry: "Erneut versuchen: {n}. Fehlgeschlagene und abgebrochene beginnen neu.",
            "Try again: {n}. Failed and cancelled ones begin anew.";
        children: "Bilder dieses Auftrags", "Images of this job";
        parent: "Gehört zu", "Part of";
        all_children: "Alle ansehen", "Show all";
        done: "Erledigt", "Done";
        failed: "Fehlgeschlagen", "Failed";
        cancelled: "Abgebrochen", "Cancelled";
        open: "Offen", "Open";
        back: "Zurück", "Back";
        note: "Ausgelassen", "Left out";
    }
}
