-- Moves that are taken back send nothing: they are leased also where every slot of their node is busy.
CREATE INDEX jobs_undo ON jobs (node_id, source_pool_id, target_pool_id, not_before, id) WHERE state = 'pending' AND undo = 1;
