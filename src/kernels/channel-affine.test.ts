import { kernelTest } from '../testing/kernel-test.ts';
import { channelAffineCases } from './channel-affine.ref.ts';
import { channelAffine } from './channel-affine.ts';

kernelTest(channelAffine, channelAffineCases);
