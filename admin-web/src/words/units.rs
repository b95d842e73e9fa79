//! Words of times and amounts.

words! {
    /// Times and amounts.
    Units {
        now: "gerade eben", "just now";
        ago: "vor {time}", "{time} ago";
        ahead: "in {time}", "in {time}";
        since: "seit {time}", "for {time}";
        seconds: "{n} Sek.", "{n} s";
        minutes: "{n} Min.", "{n} min";
        hours: "{n} Std.", "{n} h";
        hour_minutes: "{n} Std. {m} Min.", "{n} h {m} min";
        day: "1 Tag", "1 day";
        days: "{n} Tagen", "{n} days";
        days_long: "{n} Tage", "{n} days";
        and_more: "{names} und {n} weitere", "{names} and {n} more";
        tight: "wird knapp", "getting tight";
        full: "fast voll", "nearly full";
        bytes: "{n} Bytes", "{n} bytes";
    }
}
