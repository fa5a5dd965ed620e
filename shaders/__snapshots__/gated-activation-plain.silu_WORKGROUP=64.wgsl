const WORKGROUP: u32 = 64u;
struct Params {
  columns: u32,
  y_stride: u32,
}
const params = Params(172u, 192u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  padding: u32,
  tokens: array<u32>,
}
fn activation(x: f32) -> f32 {
  return x / (1.0 + exp(-x));
}
// y[row, i] = activation(x[row, i]) · x[row, columns + i]: SwiGLU or GeGLU (Shazeer 2020, arXiv 2002.05202).

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let row = id.z;
  if (column >= params.columns || row >= state.rows) {
    return;
  }
  let at = row * params.columns * 2u + column;
  y[row * params.y_stride + column] = activation(x[at]) * x[at + params.columns];
}
