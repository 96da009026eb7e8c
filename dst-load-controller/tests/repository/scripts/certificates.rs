//! `gen-certs.sh`, with stand-ins and with the real programs where they are.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{
    CERTIFICATES, fails, fresh,
    stage::{Stage, compare, find, skipped},
};

const FILES: [&str; 4] = ["ca.crt", "ca.key", "issuer.crt", "issuer.key"];

/// Both programs are asked for the same things, each in its own words.
#[test]
fn certificates_are_made_once() {
    fresh(CERTIFICATES, &[], "certs-step");
    let stage = Stage::new(&["openssl", "step"]);
    let first = stage.run(CERTIFICATES, &["--with", "openssl"]);
    assert_eq!(first.code, 0, "{}", first.text());
    assert_eq!(first.shown(), first.changes());
    let second = stage.run(CERTIFICATES, &["--with=openssl"]);
    assert_eq!(second.changes(), Vec::<String>::new());
    compare(
        "certs-openssl",
        &[("first run", &first), ("second run", &second)],
    );
}

#[test]
fn openssl_does_where_there_is_no_step() {
    let outcome = Stage::new(&["openssl"]).run(CERTIFICATES, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(
        outcome
            .changes()
            .iter()
            .all(|call| call.starts_with("openssl "))
    );
}

/// Where they are made: the argument wins over the environment.
#[test]
fn the_directory_can_be_named() {
    let stage = Stage::new(&["step"]);
    let outcome = stage.run(CERTIFICATES, &["elsewhere"]);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    for name in FILES {
        assert_eq!(stage.read(&format!("elsewhere/{name}")), "by step\n");
    }
    assert!(!stage.path("certs").exists());
}

#[test]
fn what_expires_is_said() {
    let stage = Stage::new(&["step"]);
    assert_eq!(stage.run(CERTIFICATES, &[]).code, 0);
    let soon = stage.run_with(CERTIFICATES, &[], &[("EXPIRES", "issuer.crt 1440h")]);
    assert_eq!(soon.code, 0);
    assert!(
        soon.stderr
            .contains("warning: STAGE/certs/issuer.crt expires within 60 days"),
        "{}",
        soon.text()
    );
    let gone = stage.run_with(CERTIFICATES, &[], &[("EXPIRES", "ca.crt 0h")]);
    fails(
        &gone,
        "ca.crt has expired (Nov 21 12:00:00 2027 UTC); hack/gen-certs.sh --force makes new ones",
    );
    // An issuer does not outlive its trust anchor.
    for name in ["issuer.crt", "issuer.key"] {
        stage.remove(&format!("certs/{name}"));
    }
    let short = stage.run_with(CERTIFICATES, &[], &[("EXPIRES", "ca.crt 8760h")]);
    fails(&short, "before an issuer of 365 days would");
    for outcome in [soon, gone, short] {
        assert_eq!(outcome.changes(), Vec::<String>::new());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_kept() {
    let stage = Stage::new(&["step"]);
    assert_eq!(stage.run(CERTIFICATES, &[]).code, 0);
    for (pattern, why) in [
        ("step certificate verify*", "issuer.crt is not signed by"),
        ("step certificate key*", "issuer.key is not the key of"),
        (
            "step certificate inspect*",
            "ca.crt is no CA certificate with a P-256 key",
        ),
    ] {
        let outcome = stage.run_with(CERTIFICATES, &[], &[("FAIL", pattern)]);
        fails(&outcome, why);
        assert_eq!(outcome.changes(), Vec::<String>::new());
    }
    stage.remove("certs/issuer.key");
    fails(
        &stage.run(CERTIFICATES, &[]),
        "has only a part of what is needed: issuer.key is missing",
    );
}

/// A failure leaves what was there, and no half of what was not.
#[test]
fn a_failure_changes_nothing() {
    let stage = Stage::new(&["step"]);
    for name in FILES {
        stage.write(&format!("certs/{name}"), "before");
    }
    let outcome = stage.run_with(
        CERTIFICATES,
        &["--force"],
        &[("FAIL", "step certificate create identity*")],
    );
    fails(&outcome, "step could not make the issuer");
    for name in FILES {
        assert_eq!(stage.read(&format!("certs/{name}")), "before");
    }
    assert_eq!(fs::read_dir(stage.path("certs")).unwrap().count(), 4);
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

/// What Linkerd requires of a trust anchor and an issuer (`pkg/issuercerts`), and what step makes.
fn sound(stage: &Stage) {
    let path = |name: &str| {
        stage
            .path("certs")
            .join(name)
            .to_string_lossy()
            .into_owned()
    };
    assert!(
        openssl(&[
            "verify",
            "-x509_strict",
            "-CAfile",
            &path("ca.crt"),
            &path("issuer.crt")
        ])
        .0
    );
    for (name, subject, pathlen, days) in [
        ("ca", "CN = root.linkerd.cluster.local", 1, 3650),
        ("issuer", "CN = identity.linkerd.cluster.local", 0, 365),
    ] {
        let certificate = path(&format!("{name}.crt"));
        let (_, text) = openssl(&["x509", "-in", &certificate, "-noout", "-text"]);
        for part in [
            &format!("Subject: {subject}"),
            "Issuer: CN = root.linkerd.cluster.local",
            "Signature Algorithm: ecdsa-with-SHA256",
            "NIST CURVE: P-256",
            &format!(
                "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:{pathlen}"
            ),
            "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
            "X509v3 Subject Key Identifier",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            text.contains("X509v3 Authority Key Identifier"),
            name == "issuer"
        );
        // Valid for as long as was said, to the day.
        for (seconds, lasts) in [((days - 1) * 86400, true), ((days + 1) * 86400, false)] {
            let until = seconds.to_string();
            let (valid, _) = openssl(&["x509", "-in", &certificate, "-noout", "-checkend", &until]);
            assert_eq!(valid, lasts, "{name} in {seconds} s");
        }
        let key = path(&format!("{name}.key"));
        let (_, certified) = openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]);
        assert_eq!(openssl(&["pkey", "-in", &key, "-pubout"]).1, certified);
        // The form that Linkerd's documentation has, and nobody else may read it.
        assert!(
            stage
                .read(&format!("certs/{name}.key"))
                .starts_with("-----BEGIN EC PRIVATE KEY-----")
        );
        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o77, 0, "{mode:o}");
    }
}

#[test]
fn real_certificates_are_what_linkerd_wants() {
    if find("openssl").is_none() {
        skipped("real certificates", "openssl");
        return;
    }
    for tool in ["openssl", "step"] {
        let stage = Stage::new(&[]);
        if !stage.real(tool) {
            skipped("certificates made by step", tool);
            continue;
        }
        let all = || FILES.map(|name| stage.read(&format!("certs/{name}")));
        let first = stage.run(CERTIFICATES, &[]);
        assert_eq!(first.code, 0, "{}", first.text());
        sound(&stage);
        let made = all();
        let second = stage.run(CERTIFICATES, &[]);
        assert!(
            second.stdout.starts_with("Kept what is in STAGE/certs"),
            "{}",
            second.text()
        );
        assert_eq!(all(), made);

        // The trust anchor stays where only the issuer is missing.
        for name in ["issuer.crt", "issuer.key"] {
            stage.remove(&format!("certs/{name}"));
        }
        let issuer = stage.run(CERTIFICATES, &[]);
        assert_eq!(issuer.code, 0, "{}", issuer.text());
        sound(&stage);
        assert_eq!(all()[..2], made[..2]);
        assert_ne!(all()[2..], made[2..]);

        // An issuer that is signed by another, or whose key is another's.
        stage.write("certs/issuer.key", &made[3]);
        fails(
            &stage.run(CERTIFICATES, &[]),
            "issuer.key is not the key of",
        );
        assert_eq!(stage.run(CERTIFICATES, &["--force"]).code, 0);
        sound(&stage);
        stage.write("certs/issuer.crt", &made[2]);
        stage.write("certs/issuer.key", &made[3]);
        fails(&stage.run(CERTIFICATES, &[]), "issuer.crt is not signed by");
    }
}

/// Whichever program made them, the other accepts them, and sees that they will not last.
#[test]
fn a_real_issuer_that_expires_soon_is_said() {
    if find("openssl").is_none() {
        skipped("real certificates", "openssl");
        return;
    }
    let stage = Stage::new(&[]);
    stage.real("openssl");
    stage.real("step");
    assert_eq!(stage.run(CERTIFICATES, &["--with", "openssl"]).code, 0);
    let path = |name: &str| stage.path(name).to_string_lossy().into_owned();
    stage.write(
        "issuer.cnf",
        "basicConstraints = critical, CA:TRUE, pathlen:0\n",
    );
    let subject = ["-subj", "/CN=identity.linkerd.cluster.local"];
    let request = [
        "req",
        "-new",
        "-key",
        &path("certs/issuer.key"),
        "-out",
        &path("issuer.csr"),
    ];
    assert!(openssl(&[&request[..], &subject].concat()).0);
    assert!(
        openssl(&[
            "x509",
            "-req",
            "-in",
            &path("issuer.csr"),
            "-days",
            "30",
            "-CA",
            &path("certs/ca.crt"),
            "-CAkey",
            &path("certs/ca.key"),
            "-CAcreateserial",
            "-CAserial",
            &path("serial"),
            "-extfile",
            &path("issuer.cnf"),
            "-out",
            &path("certs/issuer.crt"),
        ])
        .0
    );
    for tool in ["openssl", "step"] {
        if find(tool).is_none() {
            skipped("what step says of what openssl made", tool);
            continue;
        }
        let outcome = stage.run(CERTIFICATES, &["--with", tool]);
        assert_eq!(outcome.code, 0, "{}", outcome.text());
        assert!(
            outcome
                .stderr
                .contains("issuer.crt expires within 60 days, on "),
            "{}",
            outcome.text()
        );
        assert!(!outcome.stderr.contains("ca.crt"), "{}", outcome.text());
    }
}
