import { kernelTest } from '../testing/kernel-test.ts';
import { channelAttentionCases } from './channel-attention.ref.ts';
import { channelAttention } from './channel-attention.ts';

kernelTest(channelAttention, channelAttentionCases);
