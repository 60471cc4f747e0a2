-- The feed that has been due longest, with work that came due `late_seconds` ago, or else the one that comes due next: in
-- `wait_seconds`, zero when it is due now. A feed on hold is due when its hold ends, and late since its work came due.
-- Work is: a chunk to land, a chunk to apply, a file to write, a batch that was left open. When no feed has work, one whose source may
-- have new rows at its end; of several such feeds one at a time, half as long after the last look as the same feed would wait. A look
-- that others' work has put off for as long again is work too: a feed at one chunk a second always has some. A feed that nobody follows
-- is not landed, but what was begun with it is finished, unless it has failed five times: an open batch, a file, a range.
select feed, greatest(extract(epoch from due_at - now()), 0)::float8 as wait_seconds,
       greatest(extract(epoch from now() - came_due_at), 0)::float8 as late_seconds
from (
    select feed, came_due_at, greatest(came_due_at, hold_until) as due_at,
           coalesce(least(work_at, recheck_at + %(recheck_seconds)s * interval '1 second') <= now(), false) as has_work
    from (
        select feed, hold_until, work_at, recheck_at, least(work_at, recheck_at) as came_due_at
        from (
            select f.feed, f.hold_until, least(
                case when f.followed and not p.landed_to_end then p.next_due_at end,
                case when p.applied < p.landed and (f.followed or p.applied < f.backfill_to)
                     then greatest(p.last_applied_at, (select k.landed_at from ledger.chunk k
                                                       where k.feed_id = f.feed_id and k.batch_id is null order by k.chunk limit 1)) end,
                (select b.opened_at from ledger.batch b
                 where b.feed_id = f.feed_id and b.applied_at is null and b.closed_at is null and b.purpose <> 'audit'),
                (select min(r.reserved_at) from ledger.detection_file r
                 where r.feed_id = f.feed_id and r.uploaded_at is null),
                (select case when count(*) = f.detections_per_file or p.landed_to_end and p.applied = p.landed then max(detected_at)
                             else min(detected_at) + f.linger_seconds * interval '1 second' end
                 from (select d.detected_at from ledger.detection d
                       where d.feed_id = f.feed_id and d.ordinal > coalesce(
                           (select l.last_ordinal from ledger.detection_file l
                            where l.feed_id = f.feed_id order by l.file_number desc limit 1), 0)
                       order by d.ordinal limit f.detections_per_file) waiting)
            ) as work_at,
            case when f.followed and p.landed_to_end then greatest(
                f.checked_at + %(recheck_seconds)s * interval '1 second',
                max(f.checked_at) filter (where f.followed and p.landed_to_end) over () + %(recheck_seconds)s / 2 * interval '1 second'
            ) end as recheck_at
            from ledger.feed f
            join ledger.feed_position p using (feed_id)
            where f.followed or f.failures < 5
        ) feeds
    ) due
    where came_due_at is not null
) work
order by due_at <= now() desc, has_work desc, due_at, feed
limit 1;
