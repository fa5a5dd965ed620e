import { kernelTest } from '../testing/kernel-test.ts';
import { embeddingCases } from './embedding.ref.ts';
import { embedding } from './embedding.ts';

kernelTest(embedding, embeddingCases);
