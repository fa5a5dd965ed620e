// The number of boxes that were kept -> the arguments of an indirect draw: two triangles a box.
@group(0) @binding(0) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> draw: vec4<u32>;

@compute @workgroup_size(1)
fn main() {
  draw = vec4<u32>(6u, u32(boxes[0].x), 0u, 0u);
}
