// What a lane fetches at a time is what other kernels fetch, of each group of a run. A row of an odd number of groups ends with a scale of 0.
alias RawRun = array<RawGroup, RUN>;

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  return RawRun(
//#repeat G RUN
    load_raw(row_base, run * RUN + G, columns),
//#endrepeat
  );
}
