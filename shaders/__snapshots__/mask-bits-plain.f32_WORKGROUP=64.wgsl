const WORKGROUP: u32 = 64u;
struct Params {
  offset: u32,
  stride: u32,
  pixels: u32,
  first_word: u32,
}
const params = Params(7u, 2u, 32u, 3u);
@group(0) @binding(0) var<storage, read> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read_write> bits: array<u32>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// Two logits a pixel (background, foreground) -> a bit a pixel, 32 neighbours of a row a word, the leftmost in the lowest bit.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.pixels / 32u) {
    return;
  }
  var word = 0u;
  for (var i = 0u; i < 32u; i += 1u) {
    let logits = arena[params.offset + (id.x * 32u + i) * params.stride];
    word |= select(0u, 1u << i, logits.y > logits.x);
  }
  bits[params.first_word + id.x] = word;
}
