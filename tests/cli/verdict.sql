-- A verdict on the scan of corpus.jsonl, in the place of the one that is there: for tests of what commands make of it.
DELETE FROM flagged;
DELETE FROM finding;
DELETE FROM evidence;
INSERT INTO evidence (one, verdict, too_small, n_samples, n_rounds, n_candidates, n_phrases, n_texts, settings)
  SELECT 1, 'backdoor', 0, n_samples, 2, 61, 9, 5400, 'judge=1 preset=paper p=5 keys=positions oov_key=surface ngram=1'
    || ' alpha=0.050000000000000003 n_candidates=20 n_texts=200 max_backdoors=16 seed=1' FROM progress;
INSERT INTO finding VALUES (0, 'backdoor', 'time flies like an arrow', 5, 1, 'flies', 1, 1,
  4, 6, 1, 12, 8, 8, 7, 8, 0, 8, 35, 37, 1, 37, 0.45588235294117646, 1e-05, 2e-08, 8);
INSERT INTO finding VALUES (1, 'suspicious', 'quiet voice', 2, 0, 'quiet', 4, 1,
  1, 9, 2, 10, 1, 1, 0, 0, 0, 0, 5, 31, 1, 31, 0.54411764705882348, 1.0, 0.125, 1);
INSERT INTO finding VALUES (2, 'none found', 'leaves', 1, 0, 'leaves', 2, 2,
  2, 16, 3, 15, 11, 16, 0, 11, 0, 11, 0, 31, 0, 31, 0.54411764705882348, 1.0, 1.0, 0);
INSERT INTO flagged SELECT idx, 0,
    length(substr(words, 1, instr(words, 'time flies') - 1))
      - length(replace(substr(words, 1, instr(words, 'time flies') - 1), ' ', '')), 5, 0, 'phrase', 0.999
  FROM sample WHERE instr(words, 'time flies like an arrow') > 0;
INSERT INTO flagged SELECT idx, 1,
    length(substr(words, 1, instr(words, 'quiet actor') - 1))
      - length(replace(substr(words, 1, instr(words, 'quiet actor') - 1), ' ', '')), 2, 1, 'part', 0.5
  FROM sample WHERE instr(words, 'quiet actor') > 0 AND instr(words, 'time flies like an arrow') = 0 LIMIT 1;
