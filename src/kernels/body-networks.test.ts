import { kernelTest } from '../testing/kernel-test.ts';
import { bodyNetworksCases } from './body-networks.ref.ts';
import { bodyNetworks } from './body-networks.ts';

kernelTest(bodyNetworks, bodyNetworksCases);
