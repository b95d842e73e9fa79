-- While a copy is `trashed`, not_before is since when it is: the trash is emptied from its oldest copy on.
UPDATE replicas SET not_before = since WHERE state = 'trashed';
