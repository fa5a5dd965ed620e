import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { fixedShape, heldVariant, matvec, matvecVariant } from './matvec.ts';

kernelTest(matvec, matvecCases);

// The shapes that look further ahead or hold x have more lanes than a software adapter's subgroups.
kernelTest(
  {
    ...matvec,
    name: 'matvec, two and three turns ahead',
    variants: [fixedShape(4, 2, 2, 128, 2), fixedShape(4, 2, 1, 128, 3)].map(matvecVariant),
  },
  matvecCases.filter(({ name }) => ['tile', 'super-blocks', 'norm, SwiGLU'].includes(name)),
);
kernelTest(
  {
    ...matvec,
    name: 'matvec, x held in registers',
    variants: [
      heldVariant('ahead', { lanes: 4, subgroups: 8, blocks: 8, workgroups: 2, ahead: true }),
      heldVariant('reread', {
        lanes: 4,
        subgroups: 4,
        blocks: 8,
        workgroups: 2,
        ahead: false,
        reread: true,
      }),
    ],
  },
  matvecCases.filter(({ use }) => use.format.run !== undefined && !use.headColumns),
);
