-- The store's views, version 4: the public interface. docs/schema.md explains every column. They
-- need nothing but the stock sqlite3 shell, and change only with the store's version number.
--
-- A condition's samples are those of its run that its job asks for: the first tasks, repeats from
-- 0 on, as many as are wanted. A run that two conditions share shows under each, so a query
-- names its job. The verdict is that of the condition's checker for the sample as a whole.

-- Parameters are read once a run, and CROSS JOIN keeps the loop over samples inside. json_each
-- stands in for json_extract, which SQLite 3.40 takes for unsafe in the views of a connection with
-- trusted_schema off.
CREATE VIEW samples AS
WITH parameter AS MATERIALIZED (
  SELECT id AS run, (SELECT name FROM model WHERE hash = model_hash) AS model,
         (SELECT value FROM json_each(parameters) WHERE key = 'n') AS n,
         (SELECT value FROM json_each(parameters, '$.sampling') WHERE key = 'temperature')
           AS temperature,
         (SELECT value FROM json_each(parameters, '$.label') WHERE key = 'tokens')
           AS label_tokens,
         (SELECT value FROM json_each(parameters, '$.label') WHERE key = 'children')
           AS label_children,
         (SELECT value FROM json_each(parameters, '$.limit') WHERE key = 'tokens_total')
           AS limit_tokens_total,
         (SELECT value FROM json_each(parameters, '$.limit') WHERE key = 'tokens_thread')
           AS limit_tokens_thread,
         (SELECT value FROM json_each(parameters, '$.limit') WHERE key = 'context')
           AS limit_context,
         (SELECT value FROM json_each(parameters, '$.limit') WHERE key = 'children')
           AS limit_children,
         (SELECT value FROM json_each(parameters, '$.limit') WHERE key = 'rounds')
           AS limit_rounds,
         (SELECT value FROM json_each(parameters, '$.finisher') WHERE key = 'tokens')
           AS finisher_tokens,
         (SELECT value FROM json_each(parameters) WHERE key = 'search') AS search,
         (SELECT value FROM json_each(parameters) WHERE key = 'heuristic') AS heuristic,
         (SELECT value FROM json_each(parameters) WHERE key = 'order') AS search_order,
         (SELECT value FROM json_each(parameters) WHERE key = 'beam') AS beam,
         (SELECT value FROM json_each(parameters) WHERE key = 'child_beam') AS child_beam,
         (SELECT value FROM json_each(parameters) WHERE key = 'promising') AS promising
  FROM run
)
SELECT s.id, c.job, c.name AS condition, c.family, c.ordinal AS condition_ordinal, p.model,
       r.mode, r.protocol, p.n, p.temperature, p.label_tokens, p.label_children,
       p.limit_tokens_total, p.limit_tokens_thread, p.limit_context, p.limit_children,
       p.limit_rounds, p.finisher_tokens,
       p.search, p.heuristic, p.search_order, p.beam, p.child_beam, p.promising,
       r.parameters, r.token_unit,
       w.name || '@' || w.version AS task_set, t.split, t.name AS task, t.ordinal AS task_ordinal,
       t.cluster, s.repeat, s.status, s.limit_met, v.correct AS verdict, v.score, v.reason,
       s.answer, s.vote_key, t.target AS expected, c.checker, s.error,
       s.tokens_generated, s.tokens_injected, s.tokens_prompt, s.tokens_finisher, s.tokens_total,
       s.tokens_ref, s.seq_critical_path, s.seq_critical_path_injected, s.seq_longest_sequence,
       s.seq_forwards, s.context_peak, s.wait_steps, s.flops, s.kv_token_steps, s.nodes_explored,
       s.nodes_duplicate, s.threads, s.children, s.children_refused, s.rounds,
       (s.started_ns - s.queued_ns) / 1e6 AS queued_ms,
       (s.first_token_ns - s.started_ns) / 1e6 AS first_token_ms,
       (s.ended_ns - s.started_ns) / 1e6 AS total_ms,
       s.batch_samples, s.derived, r.determinism_class, s.attempt AS attempts
FROM condition c
CROSS JOIN run r ON r.id = c.run
CROSS JOIN parameter p ON p.run = c.run
CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
JOIN task_set w ON w.id = t.task_set
LEFT JOIN verdict v
  ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker AND s.status <> 'failed';

CREATE VIEW threads AS
SELECT h.sample, h.ordinal, h.path, p.path AS parent, h.role, h.worker, h.round,
       length(h.path) - length(replace(h.path, '.', '')) AS depth,
       h.spawn_token, h.join_token, h.tokens_prompt, h.tokens_fed, h.tokens_generated,
       h.tokens_seen, h.answer, h.vote_key, h.finish, h.logprob, h.logical_start, h.logical_end,
       h.wait_steps,
       (h.started_ns - h.queued_ns) / 1e6 AS queued_ms,
       (h.first_token_ns - h.started_ns) / 1e6 AS first_token_ms,
       (h.ended_ns - h.started_ns) / 1e6 AS total_ms,
       h.tokens_cached, h.drafted, h.accepted
FROM thread h
LEFT JOIN thread p ON p.sample = h.sample AND p.ordinal = h.parent;

-- One row for each condition and task. CROSS JOIN keeps the order of the loops, so that the
-- indexes deliver the groups and nothing is sorted.
CREATE VIEW task_scores AS
SELECT c.job, c.name AS condition, c.family, c.ordinal AS condition_ordinal,
       t.name AS task, t.ordinal AS task_ordinal, t.cluster, t.split,
       count(v.score) AS samples,
       sum(s.status = 'failed') AS errors,
       sum(s.status = 'capped') AS capped,
       avg(v.score) AS accuracy,
       avg(v.score) FILTER (WHERE s.status = 'done') AS accuracy_finished,
       avg(s.tokens_ref) FILTER (WHERE v.score IS NOT NULL) AS tokens_ref,
       avg(s.tokens_total) FILTER (WHERE v.score IS NOT NULL) AS tokens_total,
       avg(s.seq_critical_path) FILTER (WHERE v.score IS NOT NULL) AS seq_critical_path,
       avg(s.seq_critical_path_injected) FILTER (WHERE v.score IS NOT NULL)
         AS seq_critical_path_injected,
       avg(s.seq_longest_sequence) FILTER (WHERE v.score IS NOT NULL) AS seq_longest_sequence,
       avg(s.context_peak) FILTER (WHERE v.score IS NOT NULL) AS context_peak,
       avg(s.flops) FILTER (WHERE v.score IS NOT NULL) AS flops,
       avg(s.nodes_explored) FILTER (WHERE v.score IS NOT NULL) AS nodes_explored,
       count(*) AS attempted
FROM condition c
CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
LEFT JOIN verdict v
  ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker AND s.status <> 'failed'
GROUP BY c.id, s.task;

-- Accuracy is the mean over tasks of the mean over repeats. With S the sum of a cluster's task
-- scores, n its tasks, N all tasks and C all clusters (a task without one is its own),
--   se^2 = C / (C - 1) * sum over clusters of (S - n * accuracy)^2 / N^2,
-- which is the usual variance over tasks / N where every cluster is one task (Miller,
-- arXiv 2411.00640, with the small-sample factor). The sum over clusters is a second pass (the
-- join k), made only where tasks name clusters.
--
-- Where one repeat is wanted a task's mean is its sample's value. Such conditions are summed up at
-- once, since SQLite would sort the means of a million tasks again; and what was attempted apart
-- from what was judged, which spares a test a row and column.
CREATE VIEW accuracy AS
SELECT job, condition, family, condition_ordinal, split, tasks, clusters, samples, repeats, errors,
       capped, unjudged, accuracy,
       CASE WHEN NOT vanishes THEN se END AS se,
       CASE
         WHEN interval_method LIKE 'rule of three%' THEN max(0.0, accuracy - 3.0 / clusters)
         WHEN interval_method LIKE 'wilson%' THEN
           (accuracy + z * z / (2 * clusters)
            - z * sqrt(accuracy * (1 - accuracy) / clusters + z * z / (4.0 * clusters * clusters)))
           / (1 + z * z / clusters)
         WHEN interval_method <> 'none' THEN max(0.0, accuracy - q * se)
       END AS lo95,
       CASE
         WHEN interval_method LIKE 'rule of three%' THEN min(1.0, accuracy + 3.0 / clusters)
         WHEN interval_method LIKE 'wilson%' THEN
           (accuracy + z * z / (2 * clusters)
            + z * sqrt(accuracy * (1 - accuracy) / clusters + z * z / (4.0 * clusters * clusters)))
           / (1 + z * z / clusters)
         WHEN interval_method <> 'none' THEN min(1.0, accuracy + q * se)
       END AS hi95,
       interval_method, accuracy_finished, tokens_ref, tokens_total, seq_critical_path,
       seq_critical_path_injected, seq_longest_sequence, context_peak, flops, nodes_explored
FROM (
  SELECT e.*, normal.q975 AS z, coalesce(t.q975, normal.q975) AS q,
         CASE
           WHEN tasks = 0 THEN 'none'
           WHEN vanishes AND (accuracy < 1e-12 OR accuracy > 1 - 1e-12)
             THEN CASE WHEN clustered THEN 'rule of three on clusters' ELSE 'rule of three' END
           WHEN clustered AND clusters = 1 THEN 'none'
           WHEN vanishes AND clustered THEN 'wilson on clusters'
           WHEN vanishes OR (NOT clustered AND tasks < 30) THEN 'wilson'
           WHEN NOT clustered THEN 'normal'
           WHEN clusters < 40 THEN 'clustered t, ' || (clusters - 1) || ' degrees'
           ELSE 'clustered normal'
         END AS interval_method
  FROM (
    SELECT d.*, clusters < 2 OR squares <= 1e-12 * scale AS vanishes,
           sqrt(max(squares, 0.0) * clusters / (clusters - 1)) / tasks AS se
    FROM (
      SELECT m.*, attempted - errors - samples AS unjudged,
             coalesce(k.clusters, tasks) AS clusters, coalesce(k.clustered, 0) AS clustered,
             CASE WHEN k.clustered THEN ss - 2 * accuracy * sn + accuracy * accuracy * nn
                  ELSE square - tasks * accuracy * accuracy END AS squares,
             CASE WHEN k.clustered THEN nn ELSE tasks END AS scale
      FROM (
        SELECT c.job, c.name AS condition, c.family, c.ordinal AS condition_ordinal,
               CASE WHEN split_low = split_high THEN nullif(split_low, '') ELSE 'mixed' END
                 AS split, p.*
        FROM (
          SELECT a.*, coalesce(j.samples, 0) AS tasks, coalesce(j.samples, 0) AS samples,
                 accuracy, square, accuracy_finished, tokens_ref, tokens_total, seq_critical_path,
                 seq_critical_path_injected, seq_longest_sequence, context_peak, flops,
                 nodes_explored
          FROM (
            SELECT c.id, min(coalesce(t.split, '')) AS split_low,
                   max(coalesce(t.split, '')) AS split_high, 1 AS repeats,
                   count(*) AS attempted, sum(s.status = 'failed') AS errors,
                   sum(s.status = 'capped') AS capped
            FROM condition c
            CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
            CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
            WHERE c.repeats = 1
            GROUP BY c.id
          ) a
          LEFT JOIN (
            SELECT c.id, count(*) AS samples, avg(v.score) AS accuracy,
                   sum(v.score * v.score) AS square,
                   avg(v.score) FILTER (WHERE s.status = 'done') AS accuracy_finished,
                   avg(s.tokens_ref) AS tokens_ref, avg(s.tokens_total) AS tokens_total,
                   avg(s.seq_critical_path) AS seq_critical_path,
                   avg(s.seq_critical_path_injected) AS seq_critical_path_injected,
                   avg(s.seq_longest_sequence) AS seq_longest_sequence,
                   avg(s.context_peak) AS context_peak, avg(s.flops) AS flops,
                   avg(s.nodes_explored) AS nodes_explored
            FROM condition c
            CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
            CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
            CROSS JOIN verdict v
              ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker
              AND s.status <> 'failed'
            WHERE c.repeats = 1
            GROUP BY c.id
          ) j ON j.id = a.id
          UNION ALL
          SELECT id, min(coalesce(split, '')), max(coalesce(split, '')), max(attempted),
                 sum(attempted), sum(errors), sum(capped), count(accuracy), sum(samples),
                 avg(accuracy), sum(accuracy * accuracy), avg(accuracy_finished),
                 avg(tokens_ref), avg(tokens_total), avg(seq_critical_path),
                 avg(seq_critical_path_injected), avg(seq_longest_sequence), avg(context_peak),
                 avg(flops), avg(nodes_explored)
          FROM (
            SELECT c.id, t.split, count(v.score) AS samples,
                   sum(s.status = 'failed') AS errors, sum(s.status = 'capped') AS capped,
                   avg(v.score) AS accuracy,
                   avg(v.score) FILTER (WHERE s.status = 'done') AS accuracy_finished,
                   avg(s.tokens_ref) FILTER (WHERE v.score IS NOT NULL) AS tokens_ref,
                   avg(s.tokens_total) FILTER (WHERE v.score IS NOT NULL) AS tokens_total,
                   avg(s.seq_critical_path) FILTER (WHERE v.score IS NOT NULL)
                     AS seq_critical_path,
                   avg(s.seq_critical_path_injected) FILTER (WHERE v.score IS NOT NULL)
                     AS seq_critical_path_injected,
                   avg(s.seq_longest_sequence) FILTER (WHERE v.score IS NOT NULL)
                     AS seq_longest_sequence,
                   avg(s.context_peak) FILTER (WHERE v.score IS NOT NULL) AS context_peak,
                   avg(s.flops) FILTER (WHERE v.score IS NOT NULL) AS flops,
                   avg(s.nodes_explored) FILTER (WHERE v.score IS NOT NULL) AS nodes_explored,
                   count(*) AS attempted
            FROM condition c
            CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
            CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
            LEFT JOIN verdict v
              ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker
              AND s.status <> 'failed'
            WHERE c.repeats > 1
            GROUP BY c.id, s.task
          )
          GROUP BY id
        ) p
        JOIN condition c ON c.id = p.id
      ) m
      LEFT JOIN (
        SELECT id, max(named) AS clustered, sum(n > 0) AS clusters, sum(s * s) AS ss,
               sum(s * n) AS sn, 1.0 * sum(n * n) AS nn
        FROM (
          SELECT id, max(named) AS named, sum(score) AS s, count(score) AS n
          FROM (
            SELECT c.id, coalesce(t.cluster, t.id) AS cluster, t.cluster IS NOT NULL AS named,
                   avg(v.score) AS score
            FROM condition c
            CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
            CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
            LEFT JOIN verdict v
              ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker
              AND s.status <> 'failed'
            WHERE EXISTS (SELECT 1 FROM task WHERE cluster IS NOT NULL)
            GROUP BY c.id, s.task
          )
          GROUP BY id, cluster
        )
        GROUP BY id
      ) k ON k.id = m.id
    ) d
  ) e
  LEFT JOIN t_quantile t ON e.clustered AND e.clusters < 40 AND t.degrees = e.clusters - 1
  JOIN t_quantile normal ON normal.degrees = 0
);

-- What each condition cost and reached, on each axis, and what mixing the neighbours of a family
-- would reach at each power of two between them; and what it reached within the budget that it was
-- held to.
CREATE VIEW accuracy_by_budget AS
WITH derived AS MATERIALIZED (
  SELECT c.job, c.name AS condition, count(*) AS samples
  FROM condition c
  CROSS JOIN sample s INDEXED BY sample_derived
    ON s.run = c.run AND s.repeat < c.repeats AND s.derived = 1
  CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
  WHERE s.status <> 'failed'
  GROUP BY c.id
),
point AS MATERIALIZED (
  SELECT job, family, condition, axis,
         CASE axis
           WHEN 'tokens_ref' THEN tokens_ref
           WHEN 'tokens_total' THEN tokens_total
           WHEN 'seq_critical_path' THEN seq_critical_path
           WHEN 'seq_critical_path_injected' THEN seq_critical_path_injected
           WHEN 'seq_longest_sequence' THEN seq_longest_sequence
           WHEN 'flops' THEN flops
           WHEN 'nodes_explored' THEN nodes_explored
         END AS budget, accuracy, se,
         coalesce(derived.samples, 0) * 1.0 / (accuracy.samples + unjudged) AS derived
  FROM accuracy LEFT JOIN derived USING (job, condition),
       (SELECT 'tokens_ref' AS axis UNION ALL SELECT 'tokens_total'
        UNION ALL SELECT 'seq_critical_path' UNION ALL SELECT 'seq_critical_path_injected'
        UNION ALL SELECT 'seq_longest_sequence' UNION ALL SELECT 'flops'
        UNION ALL SELECT 'nodes_explored')
  WHERE accuracy IS NOT NULL
),
neighbour AS (
  SELECT job, family, axis, budget AS low, accuracy AS accuracy_low,
         lead(budget) OVER family_axis AS high, lead(accuracy) OVER family_axis AS accuracy_high
  FROM point
  WHERE budget IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM condition c WHERE c.job = point.job AND c.family = point.family
    AND (SELECT count(*) FROM json_each(c.axes)) > 1)
  WINDOW family_axis AS (PARTITION BY job, family, axis ORDER BY budget, condition)
),
power (budget) AS (SELECT 1.0 UNION ALL SELECT budget * 2 FROM power WHERE budget < 1e18)
SELECT job, family, condition, axis, budget, accuracy, se, 'mean cost' AS kind, derived
FROM point
WHERE budget IS NOT NULL
UNION ALL
SELECT job, family, NULL, axis, power.budget,
       accuracy_low + (accuracy_high - accuracy_low) * (power.budget - low) / (high - low),
       NULL, 'interpolated', NULL
FROM neighbour JOIN power ON power.budget >= low AND power.budget < high
UNION ALL
SELECT job, family, NULL, axis, power.budget, accuracy_low, NULL, 'below', NULL
FROM neighbour
JOIN (SELECT job, axis, max(budget) AS most FROM point GROUP BY job, axis) USING (job, axis)
JOIN power ON power.budget > low AND power.budget <= most
WHERE high IS NULL
UNION ALL
SELECT p.job, p.family, p.condition, p.axis, 1.0 * l.value, p.accuracy, p.se, 'enforced', p.derived
FROM condition c
CROSS JOIN run r ON r.id = c.run
CROSS JOIN json_each(r.parameters, '$.limit') l ON l.type IN ('integer', 'real')
CROSS JOIN point p ON p.job = c.job AND p.condition = c.name
WHERE (l.key = 'tokens_total' AND p.axis = 'tokens_total')
   OR (l.key = 'tokens_thread' AND p.axis = 'seq_critical_path' AND r.mode IN ('serial', 'vote'));

-- The chance that k draws of a task hold a right one, in the unbiased form of Chen et al. (arXiv
-- 2107.03374): with n scored draws of which h are right, 1 - product over i < k of
-- (n - h - i) / (n - i). Draws are a condition's samples, or of a vote its voters, all repeats
-- together. Tasks alike in n and h are counted together, so that of a million tasks few are left;
-- the error comes from the spread over tasks or their clusters, as in accuracy.
CREATE VIEW pass_at_k AS
WITH RECURSIVE tally AS MATERIALIZED (
  SELECT id, cluster, n, hits, count(*) AS tasks
  FROM (
    SELECT c.id, t.cluster, count(*) AS n, sum(v.correct) AS hits
    FROM condition c
    CROSS JOIN run r ON r.id = c.run
    CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
    CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
    CROSS JOIN verdict v
      ON v.sample = s.id AND v.checker = c.checker AND s.status <> 'failed'
      AND (v.thread >= 0) = (r.mode = 'vote')
    GROUP BY c.id, s.task
  )
  GROUP BY id, cluster, n, hits
),
whole AS MATERIALIZED (
  SELECT id, min(n) AS most, sum(tasks) AS tasks, sum(tasks * n) AS draws FROM tally GROUP BY id
),
miss (n, hits, most, k, chance) AS (
  SELECT n, hits, max(most), 1, 1.0 * (n - hits) / n
  FROM tally JOIN whole USING (id)
  GROUP BY n, hits
  UNION ALL
  SELECT n, hits, most, k + 1, chance * max(n - hits - k, 0) / (n - k) FROM miss WHERE k < most
),
found AS (
  SELECT t.id, x.k, t.cluster, t.tasks, 1 - x.chance AS chance
  FROM tally t
  CROSS JOIN whole w ON w.id = t.id
  CROSS JOIN (SELECT * FROM miss WHERE k <= 8 OR (k & (k - 1)) = 0) x
    ON x.n = t.n AND x.hits = t.hits AND x.k <= w.most
),
part (id, k, clusters, s, n) AS (
  SELECT id, k, tasks, chance, 1 FROM found WHERE cluster IS NULL
  UNION ALL
  SELECT id, k, 1, sum(tasks * chance), sum(tasks) FROM found
  WHERE cluster IS NOT NULL
  GROUP BY id, k, cluster
)
SELECT c.job, c.name AS condition, k, w.tasks, w.draws, accuracy,
       CASE WHEN clusters > 1 AND squares > 1e-12 * scale
            THEN sqrt(squares * clusters / (clusters - 1)) / w.tasks END AS se
FROM (
  SELECT id, k, clusters, accuracy, scale,
         ss - 2 * accuracy * sn + accuracy * accuracy * scale AS squares
  FROM (
    SELECT id, k, sum(clusters) AS clusters, sum(clusters * s) / sum(clusters * n) AS accuracy,
           sum(clusters * s * s) AS ss, sum(clusters * s * n) AS sn,
           1.0 * sum(clusters * n * n) AS scale
    FROM part
    GROUP BY id, k
  )
) m
JOIN whole w ON w.id = m.id
JOIN condition c ON c.id = m.id;

-- What the table holds, which was computed from so many draws; stale where there are others now.
CREATE VIEW cons_at_k AS
SELECT o.job, o.condition, o.checker, o.kind, o.k, o.tasks, o.draws, o.accuracy, o.se, o.subsets,
       o.draws IS NOT now.draws OR o.checker IS NOT now.checker AS stale
FROM consensus o
LEFT JOIN (
  SELECT c.job, c.name, c.checker, count(*) AS draws
  FROM condition c
  CROSS JOIN run r ON r.id = c.run
  CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
  CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
  CROSS JOIN verdict v
    ON v.sample = s.id AND v.checker = c.checker AND s.status <> 'failed'
    AND (v.thread >= 0) = (r.mode = 'vote')
  WHERE EXISTS (SELECT 1 FROM consensus o WHERE o.job = c.job AND o.condition = c.name)
  GROUP BY c.id
) now ON now.job = o.job AND now.name = o.condition;

-- Two conditions of a job on the tasks that both have. Both directions are rows, so that a query
-- need not know which condition the job file names first. The error is clustered as in accuracy.
CREATE VIEW paired AS
WITH score AS MATERIALIZED (
  SELECT c.id, t.id AS task, t.cluster, avg(v.score) AS accuracy, count(v.score) AS samples
  FROM condition c
  CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats
  CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
  CROSS JOIN verdict v
    ON v.sample = s.id AND v.thread = -1 AND v.checker = c.checker AND s.status <> 'failed'
  GROUP BY c.id, s.task
),
pair AS MATERIALIZED (
  SELECT m.a, m.b, m.tasks, clusters, wins, losses, m.tasks - wins - losses AS ties, tasks_uneven,
         difference,
         CASE WHEN clusters > 1 THEN
           sqrt(max(squares, 0.0) * clusters / (clusters - 1)) / m.tasks END AS se
  FROM (
    SELECT m.*, m.d / m.tasks AS difference, coalesce(k.clusters, m.tasks) AS clusters,
           CASE WHEN k.a IS NULL THEN m.dd - m.d * m.d / m.tasks
                ELSE k.dd - 2 * m.d / m.tasks * k.dn + m.d * m.d / m.tasks / m.tasks * k.nn
           END AS squares
    FROM (
      SELECT a.id AS a, b.id AS b, count(*) AS tasks, sum(x.accuracy - y.accuracy) AS d,
             sum((x.accuracy - y.accuracy) * (x.accuracy - y.accuracy)) AS dd,
             sum(x.accuracy > y.accuracy) AS wins, sum(x.accuracy < y.accuracy) AS losses,
             sum(x.samples <> y.samples) AS tasks_uneven
      FROM condition a
      CROSS JOIN condition b ON b.job = a.job AND b.ordinal > a.ordinal
      CROSS JOIN score x ON x.id = a.id
      CROSS JOIN score y ON y.id = b.id AND y.task = x.task
      GROUP BY a.id, b.id
    ) m
    LEFT JOIN (
      SELECT a, b, count(*) AS clusters, sum(d * d) AS dd, sum(d * n) AS dn, 1.0 * sum(n * n) AS nn
      FROM (SELECT a.id AS a, b.id AS b, count(*) AS n, sum(x.accuracy - y.accuracy) AS d
            FROM condition a
            CROSS JOIN condition b ON b.job = a.job AND b.ordinal > a.ordinal
            CROSS JOIN score x ON x.id = a.id
            CROSS JOIN score y ON y.id = b.id AND y.task = x.task
            WHERE EXISTS (SELECT 1 FROM task WHERE cluster IS NOT NULL)
            GROUP BY a.id, b.id, coalesce(x.cluster, x.task))
      GROUP BY a, b
    ) k ON k.a = m.a AND k.b = m.b
  ) m
)
SELECT a.job, a.name AS a, b.name AS b, pair.tasks, clusters, wins, losses, ties, tasks_uneven,
       difference, se
FROM pair JOIN condition a ON a.id = pair.a JOIN condition b ON b.id = pair.b
UNION ALL
SELECT a.job, b.name, a.name, pair.tasks, clusters, losses, wins, ties, tasks_uneven,
       -difference, se
FROM pair JOIN condition a ON a.id = pair.a JOIN condition b ON b.id = pair.b;

-- Percentiles are nearest ranks: the smallest time that at least that share does not exceed. Only
-- a number a sample goes through the sort, and only the ranks asked for are grouped. Of several
-- passes alone a sample's time is the median, by the same rule.
CREATE VIEW latency AS
WITH mean AS MATERIALIZED (
  SELECT c.id, c.job, c.name AS condition, count(*) AS samples,
         avg(s.batch_samples) AS batch_samples,
         avg((s.ended_ns - s.started_ns) / 1e6) AS mean_ms,
         max(s.ended_ns - s.started_ns) / 1e6 AS max_ms,
         avg((s.started_ns - s.queued_ns) / 1e6) AS mean_queued_ms
  FROM condition c
  CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed'
  CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
  WHERE s.derived = 0
  GROUP BY c.id
),
ranked AS (
  SELECT c.id, s.ended_ns - s.started_ns AS ns,
         row_number() OVER (PARTITION BY c.id ORDER BY s.ended_ns - s.started_ns) AS place
  FROM condition c
  CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed'
  CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
  WHERE s.derived = 0
),
median AS MATERIALIZED (
  SELECT sample, total_ns AS ns
  FROM (SELECT sample, total_ns, count(*) OVER (PARTITION BY sample) AS passes,
               row_number() OVER (PARTITION BY sample ORDER BY total_ns) AS place
        FROM alone)
  WHERE place = (passes + 1) / 2
),
ranked_alone AS MATERIALIZED (
  SELECT c.id, m.ns, row_number() OVER (PARTITION BY c.id ORDER BY m.ns) AS place,
         count(*) OVER (PARTITION BY c.id) AS samples
  FROM median m
  CROSS JOIN sample s ON s.id = m.sample AND s.status <> 'failed'
  CROSS JOIN task t ON t.id = s.task
  CROSS JOIN condition c ON c.run = s.run AND s.repeat < c.repeats AND t.ordinal < c.tasks
)
SELECT job, condition, 'batch' AS kind, samples, batch_samples, mean_ms,
       min(CASE WHEN place >= 0.50 * samples THEN ns END) / 1e6 AS p50_ms,
       min(CASE WHEN place >= 0.90 * samples THEN ns END) / 1e6 AS p90_ms,
       min(CASE WHEN place >= 0.99 * samples THEN ns END) / 1e6 AS p99_ms,
       max_ms, mean_queued_ms
FROM ranked CROSS JOIN mean USING (id)
WHERE place >= 0.50 * samples AND place < 0.50 * samples + 1
   OR place >= 0.90 * samples AND place < 0.90 * samples + 1
   OR place >= 0.99 * samples AND place < 0.99 * samples + 1
GROUP BY job, condition
UNION ALL
SELECT c.job, c.name, 'alone', samples, 1.0, avg(ns / 1e6),
       min(CASE WHEN place >= 0.50 * samples THEN ns END) / 1e6,
       min(CASE WHEN place >= 0.90 * samples THEN ns END) / 1e6,
       min(CASE WHEN place >= 0.99 * samples THEN ns END) / 1e6,
       max(ns) / 1e6, NULL
FROM ranked_alone JOIN condition c USING (id)
GROUP BY c.id;

CREATE VIEW token_use AS
SELECT c.job, c.name AS condition, count(*) AS samples,
       avg(s.tokens_prompt) AS tokens_prompt, avg(s.tokens_generated) AS tokens_generated,
       avg(s.tokens_injected) AS tokens_injected, avg(s.tokens_finisher) AS tokens_finisher,
       avg(s.tokens_total) AS tokens_total, avg(s.tokens_ref) AS tokens_ref,
       sum(s.tokens_total) AS sum_tokens_total,
       max(s.tokens_total) AS max_tokens_total, max(s.context_peak) AS max_context_peak,
       1.0 * sum(s.tokens_total) / nullif(sum(s.seq_critical_path_injected), 0) AS parallelism,
       avg(s.wait_steps) AS wait_steps, avg(s.threads) AS threads, avg(s.children) AS children,
       avg(s.children_refused) AS children_refused, avg(s.rounds) AS rounds,
       avg(s.nodes_explored) AS nodes_explored, avg(s.nodes_duplicate) AS nodes_duplicate,
       1.0 * sum(s.nodes_duplicate) / nullif(sum(s.nodes_explored), 0) AS duplicate_share
FROM condition c
CROSS JOIN sample s ON s.run = c.run AND s.repeat < c.repeats AND s.status <> 'failed'
CROSS JOIN task t ON t.id = s.task AND t.ordinal < c.tasks
GROUP BY c.job, c.name;

CREATE VIEW capped AS
SELECT job, condition, limit_met, count(*) AS samples,
       1.0 * count(*) / (SELECT count(*) FROM samples f
                         WHERE f.job = samples.job AND f.condition = samples.condition
                           AND f.status <> 'failed') AS share,
       avg(score) AS accuracy, avg(tokens_total) AS tokens_total
FROM samples
WHERE status = 'capped'
GROUP BY job, condition, limit_met;

CREATE VIEW failures AS
SELECT id, job, condition, task, task_ordinal, repeat, attempts, error
FROM samples
WHERE status = 'failed';

-- Of conditions whose threads may spawn children: one row for each number of rounds and children
-- that samples came to.
CREATE VIEW spawning AS
SELECT job, condition, family, condition_ordinal, label_children, rounds, children,
       count(*) AS samples, avg(score) AS accuracy,
       sum(children_refused) AS children_refused,
       sum((SELECT count(*) FROM thread h WHERE h.sample = s.id AND h.finish = 'unknown'))
         AS children_unknown,
       avg(tokens_ref) AS tokens_ref, avg(tokens_total) AS tokens_total,
       avg(seq_critical_path) AS seq_critical_path,
       avg(seq_longest_sequence) AS seq_longest_sequence, avg(wait_steps) AS wait_steps
FROM samples s
WHERE status <> 'failed' AND (mode = 'spawn_join' OR search = 'apr')
GROUP BY job, condition_ordinal, rounds, children;
