//! What the bench of uploads compares with, and how it looks at processes.

pub(crate) mod bare;
pub(crate) mod nginx;

/// The peak of a process's resident memory begins where that stands now.
pub(crate) fn forget_peak(id: u32) {
    // proc(5): 5 resets it.
    std::fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
}
