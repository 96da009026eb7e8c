//! A file that only this user can read.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsRawFd as _,
    path::PathBuf,
};

use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

/// A file in memory that only this user can read, and that is gone when this process is, however
/// that ends.
pub(super) struct PrivateFile(File);

// === impl PrivateFile ===

impl PrivateFile {
    /// A file with this content; `name` is seen in `/proc` only.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let file = memfd_create(name, MemfdFlags::CLOEXEC)?;
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        file.write_all(content)?;
        Ok(Self(file))
    }

    /// Where other processes of this user find it.
    pub(super) fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.0.as_raw_fd());
        format!("/proc/{process}/fd/{file}").into()
    }
}
