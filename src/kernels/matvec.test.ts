import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { fixedShape, heldVariant, matvec, matvecVariant } from './matvec.ts';

kernelTest(matvec, matvecCases);

// The shapes that have seven or nineteen splits or hold x have more lanes than a software adapter's subgroups.
kernelTest(
  {
    ...matvec,
    name: 'matvec, seven splits, in pairs',
    variants: [matvecVariant({ ...fixedShape(4, 4, 14, 224), pairs: true })],
  },
  matvecCases.filter(({ name }) => /^(tile|levels|super-blocks)/.test(name)),
);
kernelTest(
  {
    ...matvec,
    name: 'matvec, all columns in one turn of nineteen splits',
    variants: [matvecVariant(fixedShape(4, 2, 19, 152))],
  },
  matvecCases.filter(({ name }) => /^(tile|residual)/.test(name)),
);
kernelTest(
  {
    ...matvec,
    name: 'matvec, x held in registers',
    variants: [heldVariant('tall', true, 4, 2), heldVariant('long', false, 4, 2)],
  },
  matvecCases.filter(({ use }) => use.format.run !== undefined && !use.headColumns),
);
