const WORKGROUP: u32 = 128u;
const GROUPS: u32 = 1u;
struct Params {
  in_offset: u32,
  in_stride: u32,
  out_offset: u32,
  out_stride: u32,
  pixels: u32,
}
const params = Params(3u, 2u, 5u, 3u, 1u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> gamma: array<vec4<f32>>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// y = gamma * softmax(-x xT) x + x over channels (Fu et al. 2019, arXiv 1809.02983, section 3.3, its energies turned round as in the
// authors' models: alike channels weigh least). A workgroup makes one group of four channels: their products with all channels over all
// pixels, the weights from these, and then the group's pixels.

const STRIPES = WORKGROUP / GROUPS;
// Columns: the four channels of the other group; rows: the four of the own one.
var<workgroup> products: array<mat4x4<f32>, WORKGROUP>;
var<workgroup> weights: array<mat4x4<f32>, GROUPS>;

fn x_at(pixel: u32, group: u32) -> vec4<f32> {
  return vec4<f32>(arena[params.in_offset + pixel * params.in_stride + group]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let own = workgroup.x;
  let other = lane % GROUPS;
  var product: mat4x4<f32>;
  if (lane < STRIPES * GROUPS) {
    for (var pixel = lane / GROUPS; pixel < params.pixels; pixel += STRIPES) {
      let x = x_at(pixel, own);
      let z = x_at(pixel, other);
      product += mat4x4<f32>(x * z.x, x * z.y, x * z.z, x * z.w);
    }
  }
  products[lane] = product;
  workgroupBarrier();
  if (lane < GROUPS) {
    var sum = products[lane];
    for (var stripe = 1u; stripe < STRIPES; stripe += 1u) {
      sum += products[stripe * GROUPS + lane];
    }
    weights[lane] = sum;
  }
  workgroupBarrier();
  // The least energy of each own channel weighs most. Every lane finds the same numbers: they are a few dozen channels.
  var least = vec4<f32>(3.4e38);
  for (var group = 0u; group < GROUPS; group += 1u) {
    let energy = weights[group];
    least = min(least, min(min(energy[0], energy[1]), min(energy[2], energy[3])));
  }
  workgroupBarrier();
  if (lane < GROUPS) {
    let energy = weights[lane];
    weights[lane] = mat4x4<f32>(exp(least - energy[0]), exp(least - energy[1]), exp(least - energy[2]), exp(least - energy[3]));
  }
  workgroupBarrier();
  var total = vec4<f32>();
  for (var group = 0u; group < GROUPS; group += 1u) {
    total += weights[group] * vec4<f32>(1.0);
  }
  for (var pixel = lane; pixel < params.pixels; pixel += WORKGROUP) {
    var mixed = vec4<f32>();
    for (var group = 0u; group < GROUPS; group += 1u) {
      mixed += weights[group] * x_at(pixel, group);
    }
    let y = gamma[0].x * mixed / total + x_at(pixel, own);
    arena[params.out_offset + pixel * params.out_stride + own] = MapVec4(y);
  }
}
