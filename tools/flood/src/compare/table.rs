//! A comparison for a terminal.

use comfy_table::{Table, presets};

use crate::compare::{Comparison, Idle, quartile};

/// Prints the table, then memory, then what failed.
pub(super) fn print(comparison: &Comparison) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "server CPU per delivery",
        "",
        "fanfare",
        "bare send()",
        "ratio (median)",
        "quartiles",
        "ratio when quiet",
    ]);
    for pairing in &comparison.pairings {
        let middle = |costs: &[f64]| format!("{:.3} us", quartile(costs, 2));
        table.add_row([
            pairing.protocol.to_owned(),
            format!("{} in flight", pairing.in_flight),
            middle(&pairing.fanfare_us),
            middle(&pairing.bare_us),
            format!("{:.3}", pairing.ratio),
            format!("{:.3} to {:.3}", pairing.ratio_low, pairing.ratio_high),
            format!("{:.3}", pairing.ratio_quiet),
        ]);
    }
    println!("{table}");
    for idle in &comparison.idle {
        let Idle {
            protocol,
            connections,
            reactors,
            cpu_us_per_connect,
            pss_per_connection,
            pss_before,
            pss_after,
        } = idle;
        println!("{connections} idle connections ({protocol}) on {reactors} reactors:");
        println!("  {pss_per_connection:.1} bytes of proportional set size each");
        println!("  {cpu_us_per_connect:.2} us of server CPU a connect");
        println!(
            "  memory {:.0} KiB before, {:.0} KiB after they left",
            pss_before / 1024.0,
            pss_after / 1024.0
        );
    }
    comparison.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
}
