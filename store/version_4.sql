-- Turns the tables of a store of version 3 into those of version 4.

DROP INDEX sample_scan;
CREATE INDEX sample_scan ON sample (run, task, repeat, status, tokens_ref, tokens_total,
                                    seq_critical_path, seq_critical_path_injected,
                                    seq_longest_sequence, context_peak, flops, nodes_explored);
