//! Counts of which none are not worth a key.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_zero(count: &u64) -> bool {
    *count == 0
}
