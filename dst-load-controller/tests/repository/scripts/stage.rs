//! A directory with stand-ins on a PATH of its own, and what a script did there.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What a script may take for granted. Everything else it must ask for.
const SYSTEM: [&str; 24] = [
    "basename", "bash", "cat", "chmod", "cksum", "cp", "cut", "dirname", "env", "grep", "head",
    "ls", "mkdir", "mktemp", "mv", "paste", "rm", "sed", "sort", "tail", "tee", "touch", "tr",
    "wc",
];

/// Calls that only look: all others change something, also those that nobody has thought of.
const LOOKS: [&str; 20] = [
    "docker exec * ip route show *",
    "docker info",
    "docker inspect *",
    "docker network inspect *",
    "helm list *",
    "helm --kube-context * list *",
    "helmfile * list",
    "helmfile * template --skip-deps",
    "k3d cluster list *",
    "kubectl * diff --filename -",
    "kubectl * get *",
    "kubectl get *",
    "kubectl * rollout status *",
    "kubectl * wait *",
    "kubectl wait *",
    "kubectl --request-timeout 10s get *",
    "linkerd * multicluster link-gen *",
    "linkerd multicluster link-gen --help",
    "linkerd version --client --short",
    "step certificate inspect *",
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn here() -> PathBuf {
    root().join("dst-load-controller/tests/repository/scripts")
}

/// Where a program is on this machine.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// Says that a check is not made for want of a program, or fails if all must be made.
pub(crate) fn skipped(what: &str, program: &str) {
    assert!(
        env::var_os("DST_LOAD_ALL_CHECKS").is_none(),
        "{what}: {program} is not here, and DST_LOAD_ALL_CHECKS is set"
    );
    eprintln!("skipped: {what}, which needs {program}");
}

pub(crate) struct Stage {
    directory: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.directory).unwrap();
        }
    }
}

impl Stage {
    /// With stand-ins for these programs.
    pub(crate) fn new(programs: &[&str]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir()
            .canonicalize()
            .unwrap()
            .join(format!("dst-load-scripts-{}-{number}", std::process::id()));
        let stage = Self { directory };
        for name in ["bin", "state", "tmp"] {
            fs::create_dir_all(stage.path(name)).unwrap();
        }
        for program in SYSTEM {
            let path = find(program).unwrap_or_else(|| panic!("no {program} on this machine"));
            symlink(path, stage.path(&format!("bin/{program}"))).unwrap();
        }
        for program in programs {
            let path = here().join("stand-ins").join(program);
            symlink(path, stage.path(&format!("bin/{program}"))).unwrap();
        }
        for environment in ["default", "source", "target"] {
            let table = super::files::table(environment);
            stage.write(&format!("state/releases-{environment}"), &table);
        }
        stage
    }

    /// A program of this machine instead of a stand-in; false if there is none.
    pub(crate) fn real(&self, program: &str) -> bool {
        find(program)
            .inspect(|path| symlink(path, self.path(&format!("bin/{program}"))).unwrap())
            .is_some()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Outcome {
        self.run_with(script, arguments, &[])
    }

    pub(crate) fn run_with(
        &self,
        script: &str,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Outcome {
        let calls = self.path("calls");
        fs::write(&calls, "").unwrap();
        let mut command = Command::new(root().join("hack").join(script));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", &self.directory)
            .env("TMPDIR", self.path("tmp"))
            .env("LC_ALL", "C")
            .env("CALLS", &calls)
            .env("STATE", self.path("state"))
            .env("STAND_INS", here().join("stand-ins"))
            .env("ROOT", root())
            .env("LINKERD_CA_DIR", self.path("certs"))
            .env("LINKERD_CLI", super::files::linkerd_release())
            .envs(more.iter().copied())
            .current_dir(&self.directory);
        let output = command.output().unwrap();
        let plain = |text: &str| {
            text.replace(&*self.directory.to_string_lossy(), "STAGE")
                .replace(&*root().to_string_lossy(), "ROOT")
        };
        let calls = plain(&fs::read_to_string(&calls).unwrap())
            .split_terminator("\n\0")
            .map(|call| call.split_terminator('\0').map(str::to_owned).collect())
            .collect();
        Outcome {
            code: output.status.code().unwrap(),
            stdout: plain(&String::from_utf8(output.stdout).unwrap()),
            stderr: plain(&String::from_utf8(output.stderr).unwrap()),
            calls,
            command: [
                &[format!("hack/{script}")][..],
                &arguments.iter().map(|&a| plain(a)).collect::<Vec<_>>(),
            ]
            .concat()
            .join(" "),
        }
    }
}

pub(crate) struct Outcome {
    command: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) calls: Vec<Vec<String>>,
}

impl Outcome {
    /// The calls that change something, as one would type them.
    pub(crate) fn changes(&self) -> Vec<String> {
        let typed = self.calls.iter().map(|call| typed(call));
        typed.filter(|call| !looks(call)).collect()
    }

    /// The same, without what a dry run on nothing cannot know.
    pub(crate) fn changes_with_placeholders(&self) -> Vec<String> {
        let known = [("172.20.0.2", "source"), ("172.20.0.3", "target")];
        let mut changes = self.changes();
        for change in &mut changes {
            for (address, cluster) in known {
                if change.ends_with(&format!(" via {address}")) {
                    *change =
                        change.replace(address, &format!("ADDRESS-OF-k3d-{cluster}-server-0"));
                }
            }
        }
        changes
    }

    /// The commands that were shown as such. What comes through a pipe is shown with where it comes
    /// from, or with a comment. Those of programs that have no stand-in are left out.
    pub(crate) fn shown(&self) -> Vec<String> {
        let lines = self
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("+ "));
        let commands = lines.map(|line| {
            let line = line.split_once(" # ").map_or(line, |(command, _)| command);
            line.split_once(" | ").map_or(line, |(_, command)| command)
        });
        let system = |line: &&str| !SYSTEM.contains(&line.split(' ').next().unwrap());
        commands.filter(system).map(str::to_owned).collect()
    }

    /// All of it, for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("$ {}\n", self.command);
        text += &self.stdout;
        for line in self.stderr.lines() {
            text += &format!("stderr: {line}\n");
        }
        text += &format!("exit code {}\n", self.code);
        for call in &self.calls {
            let call = typed(call);
            text += &format!(
                "{} {call}\n",
                if looks(&call) { "looked: " } else { "changed:" }
            );
        }
        text
    }
}

fn typed(call: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,@%+-".contains(c);
    let words = call.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn looks(call: &str) -> bool {
    LOOKS.iter().any(|pattern| fits(call, pattern))
        // Of these there are too many that look: what makes something names the file.
        || (call.starts_with("openssl ") && !call.contains(" -out "))
        || (call.starts_with("step ") && !call.starts_with("step certificate create "))
}

/// Whether a text is as a pattern says, in which `*` is anything.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((first, mut rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    while let Some((part, after)) = rest.split_once('*') {
        let Some(at) = text.find(part) else {
            return false;
        };
        (text, rest) = (&text[at + part.len()..], after);
    }
    text.ends_with(rest)
}

/// Compares with what is expected, or writes it.
pub(crate) fn compare(name: &str, runs: &[(&str, &Outcome)]) {
    let texts = runs
        .iter()
        .map(|(title, outcome)| format!("=== {title}\n{}", outcome.text()));
    let text = texts.collect::<Vec<_>>().join("\n");
    let path = here().join("expected").join(format!("{name}.txt"));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (want, got))) = expected
        .lines()
        .chain(["(the end)"])
        .zip(text.lines().chain(["(the end)"]))
        .enumerate()
        .find(|(_, (want, got))| want != got)
    {
        panic!(
            "{}:{}: expected\n  {want}\ngot\n  {got}\nin\n{text}\nUPDATE_GOLDEN=1 takes what is",
            path.display(),
            line + 1
        );
    }
}
