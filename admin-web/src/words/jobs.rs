//! Words of jobs, wherever they are shown.

words! {
    /// Kinds, states, reasons.
    Jobs {
        pending: "Wartend", "Waiting";
        processing: "In Bearbeitung", "Running";
        paused: "Pausiert", "Paused";
        completed: "Abgeschlossen", "Completed";
        failed: "Fehlgeschlagen", "Failed";
        cancelled: "Abgebrochen", "Cancelled";
        move_images: "Bilder verschieben", "Move images";
        move_pool: "Pool verschieben", "Move pool";
        delete_images: "Bilder löschen", "Delete images";
        undo: "Rückgängig machen", "Undo";
        move_image: "Bild verschieben", "Move image";
        delete_image: "Bild löschen", "Delete image";
        make_variants: "Varianten erstellen", "Make variants";
        verify: "Prüfsumme prüfen", "Check checksum";
        waits_paused: "Die Warteschlange ist pausiert", "The queue is paused";
        waits_node: "Knoten {name} ist nicht verbunden", "Node {name} is not attached";
        waits_full: "Pool {name} ist voll", "Pool {name} is full";
        waits_slots: "Knoten {name} ist ausgelastet", "All slots of node {name} are busy";
        waits_off: "Knoten {name} nimmt keine Aufträge (DISABLE_JOB_WORKERS=1)",
            "Node {name} takes no jobs (DISABLE_JOB_WORKERS=1)";
        waits_behind: "Knoten {name} legt noch alte Kopien in den Papierkorb",
            "Node {name} still puts old copies into the trash";
        waits_old: "Eine alte Kopie in Pool {name} ist noch auf dem Weg in den Papierkorb",
            "An old copy in pool {name} is still on its way to the trash";
        next_try: "Nächster Versuch {when}", "Next try {when}";
        attempt: "Versuch {n} von {m}", "Attempt {n} of {m}";
        left: "noch {time}", "{time} left";
        of: "{n} von {m}", "{n} of {m}";
        images_done: "{n} von {m} Bildern", "{n} of {m} images";
        one_image: "1 Bild", "1 image";
        images: "{n} Bilder", "{n} images";
        some_failed: "{n} fehlgeschlagen", "{n} failed";
        some_cancelled: "{n} abgebrochen", "{n} cancelled";
        gone_pool: "Pool {n} (gelöscht)", "Pool {n} (deleted)";
        several_pools: "mehrere Pools", "several pools";
        files_missing: "an der Quelle fehlende Dateien: {n}", "files that were not at the source: {n}";
        progress: "Fortschritt", "Progress";
        to: "nach", "to";
        retry: "Erneut versuchen", "Try again";
        cancel: "Auftrag abbrechen", "Cancel job";
        cancel_move: "Verschieben abbrechen", "Cancel move";
        pause: "Pausieren", "Pause";
        resume: "Fortsetzen", "Resume";
        taken_back: "Rückgängig gemacht von Auftrag", "Taken back by job";
        taken_back_partly: "Zum Teil rückgängig gemacht von Auftrag", "Partly taken back by job";
        take_back: "Rückgängig machen", "Undo";
        begun: "Auftrag {id} läuft.", "Job {id} is under way.";
        nothing_changed: "Daran war nichts zu ändern: In diesem Zustand geht das nicht (mehr).",
            "Nothing to change there: it can't be done in this state (any more).";
        did_retry: "Wird erneut versucht: {n}.", "Tried again: {n}.";
        did_cancel: "Abgebrochen: {n}. Jedes Bild ist ganz an einem Ort.", "Cancelled: {n}. Each image is whole in one place.";
        did_pause: "Pausiert: {n}.", "Paused: {n}.";
        did_resume: "Fortgesetzt: {n}.", "Resumed: {n}.";
        did_undo: "Auftrag {id} holt {n} zurück.", "Job {id} takes {n} back.";
        undone_none: "Nichts zurückzuholen: {why}", "Nothing to take back: {why}";
        no_trash: "die alten Kopien sind nicht mehr im Papierkorb.", "the old copies are not in the trash any more.";
        this_job: "Auftrag {id}", "job {id}";
        this_with_its_images: "Auftrag {id} mit seinen Bildern", "job {id} with its images";
        one_job: "1 Auftrag", "1 job";
        jobs: "{n} Aufträge", "{n} jobs";
        skipped: "{n} ausgelassen, das erste: {why}", "{n} left out, the first: {why}";
    }
}
