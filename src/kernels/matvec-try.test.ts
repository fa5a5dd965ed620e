import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { fixedShape, heldShape, matvec, matvecVariant } from './matvec.ts';
kernelTest(
  {
    ...matvec,
    variants: [matvec.variants[0]!, { ...heldShape(4, 4, 1, 32, 1, 3), fetched: true }, { ...heldShape(4, 2, 2, 32, 2, 4), fetched: false, copies: 32 }, fixedShape(4, 2, 2, 128, 2)].map((s) => 'options' in s ? s : matvecVariant(s)),
  },
  matvecCases.filter(({ name }) => /super|levels|SwiGLU|norm, bias/.test(name)),
);
