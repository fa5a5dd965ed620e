// Runs of one group: what a lane fetches at a time is what other kernels fetch.
alias RawRun = RawGroup;

fn load_run(row_base: u32, run: u32, columns: u32) -> RawGroup {
  return load_raw(row_base, run, columns);
}
