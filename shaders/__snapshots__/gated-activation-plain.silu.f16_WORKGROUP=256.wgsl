const WORKGROUP: u32 = 256u;
struct Params {
  quads: u32,
  y_stride_quads: u32,
}
const params = Params(32u, 32u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
fn activation(x: f32) -> f32 {
  return x / (1.0 + exp(-x));
}
// y[row, i] = activation(x[row, i]) · x[row, columns + i]: SwiGLU or GeGLU (Shazeer 2020, arXiv 2002.05202). An invocation makes four
// neighbouring ones.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let quad = id.x;
  let row = id.z;
  if (quad >= params.quads || row >= state.rows) {
    return;
  }
  let at = row * params.quads * 2u + quad;
  let gate = x[at];
  let activated = vec4<f32>(activation(gate.x), activation(gate.y), activation(gate.z), activation(gate.w));
  y[row * params.y_stride_quads + quad] = pack_stored(activated * x[at + params.quads]);
}
