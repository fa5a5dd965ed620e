import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { heldVariant, matvec } from './matvec.ts';
kernelTest(
  { ...matvec, variants: [matvec.variants[0]!, heldVariant(4)] },
  matvecCases,
);
