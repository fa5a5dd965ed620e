// How `State` begins (lib/state): as much as a uniform can be.
struct StateHeader {
  // Position in the context of the first row of this pass.
  position: u32,
  rows: u32,
  step: u32,
  continues: u32,
}
