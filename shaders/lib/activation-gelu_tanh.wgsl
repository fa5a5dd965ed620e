fn activation(x: f32) -> f32 {
  let inner = 0.7978845608028654 * x * (1.0 + 0.044715 * x * x);
  // tanh overflows in some drivers beyond ±40; it is ±1 long before.
  return 0.5 * x * (1.0 + tanh(clamp(inner, -10.0, 10.0)));
}
