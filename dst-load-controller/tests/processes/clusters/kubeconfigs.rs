//! Kubeconfigs that kubectl takes, and what it says of others.

use std::fs;

use super::{Sandbox, ended, middle::Middle, reached};

#[test]
fn of_several_files_those_that_are_there_count() {
    let sandbox = Sandbox::start();
    let files = |value: &str| {
        let mut command = sandbox.command(&["check"]);
        ended(
            command
                .env("KUBECONFIG", value)
                .env("HOME", sandbox.directory.path()),
        )
    };
    reached(&files(&format!("/missing/a:{}", sandbox.kubeconfig)));
    reached(&files(&format!("{}::/missing/a", sandbox.kubeconfig)));
    let (code, _, log) = files("/missing/a:/missing/b");
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("none of these is there: /missing/a, /missing/b"),
        "{log}"
    );
    // What is there and cannot be read is not skipped.
    let damaged = sandbox.directory.path().join("damaged");
    fs::write(&damaged, "clusters: [").unwrap();
    let (code, _, log) = files(&format!("{}:{}", damaged.display(), sandbox.kubeconfig));
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains(&format!("kubeconfig {} cannot be used", damaged.display())),
        "{log}"
    );
}

#[test]
fn what_kubectl_takes_reaches_the_api() {
    let sandbox = Sandbox::start();
    let api = sandbox.api();
    for (name, cluster, user) in [
        ("no-scheme", format!("{{server: \"{api}\"}}"), "{}"),
        (
            "twice",
            format!("{{server: \"http://127.0.0.1:1\", server: \"http://{api}\"}}"),
            "{}",
        ),
        (
            "empty",
            format!("{{server: \"http://{api}\", certificate-authority: \"\"}}"),
            "{token: \"\"}",
        ),
        (
            "slash",
            format!("{{server: \"http://{api}/\"}}"),
            "{token: t0ken, as: somebody}",
        ),
        (
            "password",
            format!("{{server: \"http://{api}\"}}"),
            "{username: me, password: secret}",
        ),
    ] {
        let path = sandbox.kubeconfig(name, &cluster, user);
        let found = sandbox.check(&path);
        reached(&found);
    }
}

/// A token in a file has a line break behind it, as `echo` and `kubectl create token` write it.
#[test]
fn a_token_is_sent_without_the_line_break_behind_it() {
    let sandbox = Sandbox::start();
    let middle = Middle::before(&sandbox.api(), &[]);
    fs::write(sandbox.directory.path().join("token"), "t0ken\n").unwrap();
    let cluster = format!("{{server: \"http://{}\"}}", middle.address);
    for user in ["{tokenFile: token}", "{token: \"t0ken\\n\"}"] {
        let path = sandbox.kubeconfig("with-token", &cluster, user);
        reached(&sandbox.check(&path));
        let head = middle.heads().pop().unwrap();
        assert!(head.contains("authorization: Bearer t0ken\r\n"), "{head}");
    }
    let path = sandbox.kubeconfig("with-token", &cluster, "{token: \"t0\\nken\"}");
    let said = "error: user \"u\" cannot be used: its token: a header takes no line breaks and no \
                control characters\n";
    let (code, out, log) = sandbox.check(&path);
    assert_eq!((code, out.as_str(), log.as_str()), (Some(1), "", said));
}

#[test]
fn a_plugin_that_is_missing_or_fails_is_told_in_one_line() {
    let sandbox = Sandbox::start();
    let cluster = format!("{{server: \"http://{}\"}}", sandbox.api());
    for (user, said) in [
        (
            "{exec: {command: no-such-plugin, installHint: \"See https://example.org\"}}",
            "error: user \"u\" has no credentials: credential plugin \"no-such-plugin\" is not \
             installed: See https://example.org\n",
        ),
        (
            "{exec: {command: sh, args: [\"-c\", \"echo Unauthorized: log in >&2; exit 1\"]}}",
            "error: user \"u\" has no credentials: credential plugin \"sh\" failed (exit status: \
             1): Unauthorized: log in\n",
        ),
    ] {
        let path = sandbox.kubeconfig("exec", &cluster, user);
        let (code, out, log) = sandbox.check(&path);
        assert_eq!((code, out.as_str(), log.as_str()), (Some(1), "", said));
    }
}
