//! The exit codes, which scripts rely on: a documented and versioned interface.

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and everything that was asked for is met.
    Pass,
    /// 1: the tool itself failed.
    Broken,
    /// 2: the command line or the scenario is wrong; nothing was touched.
    Usage,
    /// 3: a criterion is violated.
    Failed,
    /// 4: what was asked for is proven neither met nor violated.
    Invalid,
    /// 130: interrupted; the report was still written.
    Interrupted,
    /// That of another program, which a command of this tool ran in its own place.
    Program(u8),
}

// === impl Exit ===

impl Exit {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Broken => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Invalid => 4,
            Self::Interrupted => 130,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
