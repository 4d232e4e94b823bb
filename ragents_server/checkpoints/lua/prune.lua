-- Nothing more: leaves what the thread needs to go on.
retain(0)
return 'pruned'
