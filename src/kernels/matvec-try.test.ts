import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { heldShape, matvec, matvecVariant } from './matvec.ts';
kernelTest(
  {
    ...matvec,
    variants: [matvec.variants[0]!, heldShape(4, 4, 1, 32, 1, 3), heldShape(4, 2, 2, 32, 2, 4)].map((s) => 'options' in s ? s : matvecVariant(s)),
  },
  matvecCases.filter(({ use: { summands } }) => !summands),
);
