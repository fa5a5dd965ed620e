const HIDDEN: u32 = 128u;
const UNITS: u32 = 8u;
const OCTAVES: u32 = 6u;
const LATENT_PAIRS: u32 = 4u;
const FRAME_EIGHTS: u32 = 32u;
const ROWS_OF_QUADS: u32 = 1024u;
struct Params {
  image: f32,
  pad: f32,
  coarse_size: u32,
  latent_size: u32,
}
const params = Params(64f, 6f, 76u, 26u);
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> weights: array<mat2x4<f32>>;
@group(0) @binding(2) var<storage, read> coarse: array<u32>;
@group(0) @binding(3) var<storage, read> latents: array<u32>;
@group(0) @binding(4) var<storage, read_write> image: array<u32>;
// The body of an avatar through its networks (docs/avatar-format.md): for each pixel the warp network, coarse colour and latents at its
// place in the texture, and the fine network. What all pixels of a frame share comes in the first biases.
// A workgroup makes 8 × 4 pixels. What a layer sees lies in workgroup memory, [row][quad of pixels]; an invocation holds the sums of
// eight units for one quad. weights: eight units each, as packNetworks has them; coarse [size, size]: R, G, B, A in bytes;
// latents [size, size, pairs]: halves. image [height, width]: R, G, B and straight alpha in bytes.

struct Frame {
  // Rows of the homographies: picture → where the networks take a pixel to be, and picture → texture.
  training: array<vec4<f32>, 3>,
  texture: array<vec4<f32>, 3>,
  // Least and most texture coordinates at which there may be a body.
  reach: vec4<f32>,
  // Width and height of the picture: no constants, since this is slow to compile and canvases change.
  size: vec4<f32>,
  // Of the warp network, then of the fine one.
  biases: array<mat2x4<f32>, FRAME_EIGHTS>,
}

const QUADS: u32 = 8u;
const GROUPS: u32 = HIDDEN / UNITS;
const POSITION_ROWS: u32 = 2u + 4u * OCTAVES;
const HALF_TURN: f32 = 3.14159265;

var<workgroup> rows: array<vec4<f32>, ROWS_OF_QUADS>;
// The quad of this invocation and its units.
var<private> quad: u32;
var<private> group: u32;

struct Sums {
  unit_0: vec4<f32>,
  unit_1: vec4<f32>,
  unit_2: vec4<f32>,
  unit_3: vec4<f32>,
  unit_4: vec4<f32>,
  unit_5: vec4<f32>,
  unit_6: vec4<f32>,
  unit_7: vec4<f32>,
}

// Coordinates of a quad's four pixels.
struct Places {
  u: vec4<f32>,
  v: vec4<f32>,
  ahead: vec4<bool>,
}

fn through(matrix: array<vec4<f32>, 3>, x: vec4<f32>, y: f32) -> Places {
  let w = matrix[2].x * x + (matrix[2].y * y + matrix[2].z);
  let u = matrix[0].x * x + (matrix[0].y * y + matrix[0].z);
  let v = matrix[1].x * x + (matrix[1].y * y + matrix[1].z);
  return Places(u / w, v / w, w > vec4(0.0));
}

// Has any pixel of the workgroup more than 0? Said by the invocations of the first group.
fn any_pixel(values: vec4<f32>) -> bool {
  workgroupBarrier();
  if (group == 0u) {
    rows[quad] = values;
  }
  workgroupBarrier();
  if (quad == 0u && group == 0u) {
    for (var other = 1u; other < QUADS; other++) {
      rows[0] = max(rows[0], rows[other]);
    }
  }
  return any(workgroupUniformLoad(&rows[0]) > vec4(0.0));
}

// bias + Σ_k weights[k] · rows[k].
fn layer(inputs: u32, first: u32, bias: mat2x4<f32>) -> Sums {
  var sum_0 = vec4(bias[0u / 4u][0u % 4u]);
  var sum_1 = vec4(bias[1u / 4u][1u % 4u]);
  var sum_2 = vec4(bias[2u / 4u][2u % 4u]);
  var sum_3 = vec4(bias[3u / 4u][3u % 4u]);
  var sum_4 = vec4(bias[4u / 4u][4u % 4u]);
  var sum_5 = vec4(bias[5u / 4u][5u % 4u]);
  var sum_6 = vec4(bias[6u / 4u][6u % 4u]);
  var sum_7 = vec4(bias[7u / 4u][7u % 4u]);
  for (var k = 0u; k < inputs; k++) {
    let given = rows[k * QUADS + quad];
    let eight = weights[first + k * GROUPS + group];
    sum_0 += given * eight[0u / 4u][0u % 4u];
    sum_1 += given * eight[1u / 4u][1u % 4u];
    sum_2 += given * eight[2u / 4u][2u % 4u];
    sum_3 += given * eight[3u / 4u][3u % 4u];
    sum_4 += given * eight[4u / 4u][4u % 4u];
    sum_5 += given * eight[5u / 4u][5u % 4u];
    sum_6 += given * eight[6u / 4u][6u % 4u];
    sum_7 += given * eight[7u / 4u][7u % 4u];
  }
  var sums: Sums;
  sums.unit_0 = max(sum_0, vec4(0.0));
  sums.unit_1 = max(sum_1, vec4(0.0));
  sums.unit_2 = max(sum_2, vec4(0.0));
  sums.unit_3 = max(sum_3, vec4(0.0));
  sums.unit_4 = max(sum_4, vec4(0.0));
  sums.unit_5 = max(sum_5, vec4(0.0));
  sums.unit_6 = max(sum_6, vec4(0.0));
  sums.unit_7 = max(sum_7, vec4(0.0));
  return sums;
}

// Five layers; leaves each group's part of the outputs in the rows. Returns where the last biases stand.
fn run(inputs: u32, first: u32, bias: mat2x4<f32>, outputs: u32) -> u32 {
  var sums = layer(inputs, first, bias);
  var at = first + inputs * GROUPS;
  for (var hidden = 0u; hidden < 3u; hidden++) {
    workgroupBarrier();
    rows[(group * UNITS + 0u) * QUADS + quad] = sums.unit_0;
    rows[(group * UNITS + 1u) * QUADS + quad] = sums.unit_1;
    rows[(group * UNITS + 2u) * QUADS + quad] = sums.unit_2;
    rows[(group * UNITS + 3u) * QUADS + quad] = sums.unit_3;
    rows[(group * UNITS + 4u) * QUADS + quad] = sums.unit_4;
    rows[(group * UNITS + 5u) * QUADS + quad] = sums.unit_5;
    rows[(group * UNITS + 6u) * QUADS + quad] = sums.unit_6;
    rows[(group * UNITS + 7u) * QUADS + quad] = sums.unit_7;
    workgroupBarrier();
    sums = layer(HIDDEN, at + GROUPS, weights[at + group]);
    at += (HIDDEN + 1u) * GROUPS;
  }
  workgroupBarrier();
  for (var output = 0u; output < outputs; output++) {
    let eight = weights[at + output * GROUPS + group];
    var part = vec4(0.0);
    part += sums.unit_0 * eight[0u / 4u][0u % 4u];
    part += sums.unit_1 * eight[1u / 4u][1u % 4u];
    part += sums.unit_2 * eight[2u / 4u][2u % 4u];
    part += sums.unit_3 * eight[3u / 4u][3u % 4u];
    part += sums.unit_4 * eight[4u / 4u][4u % 4u];
    part += sums.unit_5 * eight[5u / 4u][5u % 4u];
    part += sums.unit_6 * eight[6u / 4u][6u % 4u];
    part += sums.unit_7 * eight[7u / 4u][7u % 4u];
    rows[(output * GROUPS + group) * QUADS + quad] = part;
  }
  workgroupBarrier();
  return at + outputs * GROUPS;
}

fn output_of(output: u32, biases: u32) -> vec4<f32> {
  var sum = vec4(weights[biases][0][output]);
  for (var part = 0u; part < GROUPS; part++) {
    sum += rows[(output * GROUPS + part) * QUADS + quad];
  }
  // Beyond 15 it is 1, and some drivers say NaN.
  return tanh(clamp(sum, vec4(-15.0), vec4(15.0)));
}

// Angles are reduced before their sine: they go through 512 turns across the picture.
fn bring_positions(seen: Places) {
  let x = 2.0 * seen.u - 1.0;
  let y = 2.0 * seen.v - 1.0;
  if (group == 0u) {
    rows[quad] = x;
    rows[QUADS + quad] = y;
  }
  for (var i = group; i < 2u * OCTAVES; i += GROUPS) {
    let half_turns = select(x, y, i % 2u == 1u) * f32(1u << (i / 2u));
    let angle = HALF_TURN * (half_turns - 2.0 * round(half_turns * 0.5));
    let row = 2u + i / 2u * 4u + i % 2u;
    rows[row * QUADS + quad] = sin(angle);
    rows[(row + 2u) * QUADS + quad] = cos(angle);
  }
}

struct Taps {
  at: vec4<u32>,
  share: vec4<f32>,
}

// The four texels around a place; what is outside of the map has no share.
fn taps_at(place: vec2<f32>, size: u32) -> Taps {
  let texels = f32(size) / (params.image + 2.0 * params.pad);
  let at = (place * params.image + params.pad) * texels - 0.5;
  let first = floor(at);
  let part = at - first;
  let x = first.x + vec4(0.0, 1.0, 0.0, 1.0);
  let y = first.y + vec4(0.0, 0.0, 1.0, 1.0);
  let last = vec4(f32(size) - 1.0);
  let inside = (x >= vec4(0.0)) & (y >= vec4(0.0)) & (x <= last) & (y <= last);
  let share = vec4(1.0 - part.x, part.x, 1.0 - part.x, part.x) * vec4(1.0 - part.y, 1.0 - part.y, part.y, part.y);
  let column = vec4<u32>(clamp(x, vec4(0.0), last));
  let row = vec4<u32>(clamp(y, vec4(0.0), last));
  return Taps(row * size + column, select(vec4(0.0), share, inside));
}

// Coarse colour; its alpha fades over the pad, as the baked texture's does (body-under).
fn coarse_at(place: vec2<f32>) -> vec4<f32> {
  let taps = taps_at(place, params.coarse_size);
  var color = vec4(0.0);
  for (var tap = 0u; tap < 4u; tap++) {
    color += taps.share[tap] * unpack4x8unorm(coarse[taps.at[tap]]);
  }
  let pad = params.pad / params.image;
  let edge = min(place, 1.0 - place) + pad;
  return vec4(color.rgb, color.a * smoothstep(0.0, max(pad, 1e-6), min(edge.x, edge.y)));
}

fn bring_latents(places: Places) {
  for (var pair = group; pair < LATENT_PAIRS; pair += GROUPS) {
    var low: vec4<f32>;
    var high: vec4<f32>;
    for (var pixel = 0u; pixel < 4u; pixel++) {
      let taps = taps_at(vec2(places.u[pixel], places.v[pixel]), params.latent_size);
      var sum = vec2(0.0);
      for (var tap = 0u; tap < 4u; tap++) {
        sum += taps.share[tap] * unpack2x16float(latents[taps.at[tap] * LATENT_PAIRS + pair]);
      }
      low[pixel] = sum.x;
      high[pixel] = sum.y;
    }
    rows[2u * pair * QUADS + quad] = low;
    rows[(2u * pair + 1u) * QUADS + quad] = high;
  }
}

// What the networks say of the four pixels; nothing where `asked` is false.
fn quad_colors(seen: Places, asked: vec4<bool>) -> array<vec4<f32>, 4> {
  var colors: array<vec4<f32>, 4>;
  bring_positions(seen);
  workgroupBarrier();
  let warp_biases = run(POSITION_ROWS, 0u, frame.biases[group], 2u);
  let places = Places(seen.u + output_of(0u, warp_biases), seen.v + output_of(1u, warp_biases), asked);
  var alpha: vec4<f32>;
  for (var pixel = 0u; pixel < 4u; pixel++) {
    if (group == 0u && asked[pixel]) {
      colors[pixel] = coarse_at(vec2(places.u[pixel], places.v[pixel]));
      alpha[pixel] = colors[pixel].a;
    }
  }
  if (!any_pixel(alpha)) {
    return colors;
  }
  bring_latents(places);
  workgroupBarrier();
  let fine_biases = run(2u * LATENT_PAIRS, warp_biases + 1u, frame.biases[GROUPS + group], 3u);
  let red = output_of(0u, fine_biases);
  let green = output_of(1u, fine_biases);
  let blue = output_of(2u, fine_biases);
  for (var pixel = 0u; pixel < 4u; pixel++) {
    colors[pixel] += vec4(red[pixel], green[pixel], blue[pixel], 0.0);
  }
  return colors;
}

@compute @workgroup_size(HIDDEN)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  quad = invocation % QUADS;
  group = invocation / QUADS;
  let left = workgroup.x * 8u + quad % 2u * 4u;
  let y = workgroup.y * 4u + quad / 2u;
  let across = (vec4<f32>(vec4(left) + vec4(0u, 1u, 2u, 3u)) + 0.5) / frame.size.x;
  let down = (f32(y) + 0.5) / frame.size.y;
  let guess = through(frame.texture, across, down);
  let inside = (guess.u >= vec4(frame.reach.x)) & (guess.v >= vec4(frame.reach.y)) & (guess.u <= vec4(frame.reach.z)) & (guess.v <= vec4(frame.reach.w));
  let seen = through(frame.training, across, down);
  let asked = guess.ahead & seen.ahead & inside;
  var colors: array<vec4<f32>, 4>;
  if (any_pixel(select(vec4(0.0), vec4(1.0), asked))) {
    colors = quad_colors(seen, asked);
  }
  let size = vec2<u32>(frame.size.xy);
  for (var pixel = 0u; pixel < 4u; pixel++) {
    if (group == 0u && left + pixel < size.x && y < size.y) {
      let color = colors[pixel];
      image[y * size.x + left + pixel] = select(0u, pack4x8unorm(color), color.a > 0.0);
    }
  }
}
