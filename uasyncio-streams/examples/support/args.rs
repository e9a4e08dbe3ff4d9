//! Command lines of the form `--name value`, for the examples.

use std::fmt::Display;
use std::process::exit;
use std::str::FromStr;

/// The values of the options in the order of `options`, which gives each its name and default.
///
/// Ends the program after `--help`, and with status 2 when it cannot make sense of the command line.
#[allow(dead_code)]
pub(crate) fn parse<const N: usize>(help: &str, options: [(&str, &str); N]) -> [String; N] {
    parse_from(std::env::args().skip(1), help, options)
}

/// The same of these arguments.
pub(crate) fn parse_from<const N: usize>(
    mut arguments: impl Iterator<Item = String>,
    help: &str,
    options: [(&str, &str); N],
) -> [String; N] {
    let mut values = options.map(|(_, default)| default.to_owned());
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            println!("{help}");
            exit(0);
        }
        let Some(index) = options.iter().position(|(name, _)| *name == argument) else {
            fail(&format!("unknown argument {argument:?}; try --help"));
        };
        match arguments.next() {
            Some(value) => values[index] = value,
            None => fail(&format!("{argument} needs a value; try --help")),
        }
    }
    values
}

/// Splits `host:port`; an IPv6 address stands in brackets.
pub(crate) fn host_and_port(listen: &str) -> (&str, u16) {
    let split = listen.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = split else {
        fail(&format!("{listen:?} is not of the form host:port; try --help"));
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

/// The value of an option as a number of at least `least`.
#[allow(dead_code)]
pub(crate) fn number<T: FromStr + PartialOrd + Display>(option: &str, value: &str, least: T) -> T {
    match value.parse() {
        Ok(number) if number >= least => number,
        _ => fail(&format!("{option} needs a number of at least {least}, not {value:?}")),
    }
}

/// Prints why the program cannot go on, and ends it.
pub(crate) fn fail(why: &str) -> ! {
    eprintln!("error: {why}");
    exit(2);
}
