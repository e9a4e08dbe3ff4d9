//! Fetches what is at a URL: hyper and rustls on our event loop.
//!
//! `cli` understands the command line, `client` does the work, with a `network` below it and an `output` behind it; `request` knows
//! where redirects lead, `exchange` is hyper's part.
#![forbid(unsafe_code)]

mod cli;
mod client;
mod exchange;
mod failure;
#[path = "../support/interrupt.rs"]
mod interrupt;
mod network;
mod output;
mod progress;
mod request;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use cli::Options;
use client::Client;
use failure::{Failure, Kind};
use hyper::StatusCode;
use interrupt::{catch_interrupts, interrupted};
use network::Tcp;
use output::Target;
use progress::Progress;
use uasyncio_streams::tls::rustls::pki_types::{CertificateDer, pem::PemObject};
use uasyncio_streams::tls::rustls::{ClientConfig, RootCertStore};
use uasyncio_sync::{Selected, select};

fn main() -> ExitCode {
    let ended = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => run(options),
        Ok(None) => {
            // `fetch --help | head` may have seen enough.
            let _ = writeln!(io::stdout(), "{}", cli::HELP);
            return ExitCode::SUCCESS;
        }
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(options: Options) -> Result<(), Failure> {
    let tls = ClientConfig::builder().with_root_certificates(authorities(options.authorities.as_deref())?).with_no_client_auth();
    let client = Client::new(Tcp::default(), tls, options.version, options.limits, options.allow_downgrade);
    // Not where it would be between the lines of the answer.
    let shown = io::stderr().is_terminal() && (options.output.is_some() || !io::stdout().is_terminal());
    let mut target = Target::new(options.output, options.show_head, Progress::new(shown));
    catch_interrupts().map_err(|error| Failure::new(Kind::Usage, error))?;
    let fetched = uasyncio_io::try_run(async {
        match select(pin!(client.fetch(options.request, &mut target)), pin!(interrupted())).await {
            Selected::First(result, _) => result,
            Selected::Second(..) => Err(Failure::new(Kind::Interrupted, "interrupted")),
        }
    });
    // With what is left of the file, if it is not complete, and of the progress, before there is something to say.
    drop(target);
    refuse_errors(fetched.map_err(|error| Failure::new(Kind::Connect, error))??)
}

fn refuse_errors(status: StatusCode) -> Result<(), Failure> {
    if status.is_client_error() || status.is_server_error() {
        return Err(Failure::new(Kind::Status, format!("the server says {status}")));
    }
    Ok(())
}

/// Those that the system trusts, as far as they can be read, and those in the file.
fn authorities(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Kind::Usage, format!("{}: {error}", file.display()));
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
            roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
        }
        if roots.len() == before {
            return Err(wrong(&"there is no certificate in it"));
        }
    }
    Ok(roots)
}
