// Caches of q8_0: numbers in blocks that share a scale. A Stored is what four of them stand for.
//#import lib/numbers-q8_0
//#import lib/stored-f32
