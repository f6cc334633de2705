// Products with the ids that were merged into them, and whether they can be had.
// params:  every: bool
// returns: product_id: str, merged_ids: str, available: bool
// uses:    a scan of the label; streamed; not every one: only those that others were merged into
MATCH (p:{{label}})
WHERE $every OR p.merged_ids IS NOT NULL
RETURN p.product_id AS product_id, p.merged_ids AS merged_ids, p.available AS available
