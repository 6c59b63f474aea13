(* Certificates of fact S4, any dimension: h is a linear form on each cone. A lower bound is checked at the generators of the
   pieces (concavity of the logarithm), an upper bound by weighted AM-GM with multipliers, again at the generators only. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith FMapPositive Bool Classical_Prop.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Sandwich IntegerFamily Cones.
Import ListNotations.
Open Scope R_scope.

Section Model.
Variable m : model.
Let d := dim m.
Hypothesis Hwf : well_formed m = true.

Definition lower_leaf (E : table cone) (rn rd : Z) (qp : Z) (c : cone) (es : list (list Z)) (tr : list target) : bool :=
  (length tr =? count m)%nat &&
  (let z := combine (branches m) tr in
   forallb (lands E es) z &&
   forallb (fun e => let Ls := map (fun bt => image_value E bt e) z in let l0 := dot (form c) e in
      (0 <? l0)%Z && forallb (fun x => (0 <? x)%Z) Ls &&
      (rn * qp * l0 ^ (total_weight m) <=? rd * weighted_product (branches m) Ls)%Z) es).

Definition lower_certificate := list (cone * tree (list target)).
Definition check_lower (rn rd : Z) (ce : lower_certificate) : bool :=
  (0 <? rn)%Z && (0 <? rd)%Z && negb (length ce =? 0)%nat &&
  (let E := cone_table (map fst ce) in let qp := denominator_product m in
   forallb (fun ct => cone_ok d (fst ct) && tree_ok d (lower_leaf E rn rd qp (fst ct)) (generators (fst ct)) (snd ct)) ce).

(* one vertex: integer inequality -> averaged log inequality *)
Lemma vertex_inequality rn rd l0 (Ls : list Z) : (0 < rn)%Z -> (0 < rd)%Z -> (0 < l0)%Z -> length Ls = count m ->
  (forall l, In l Ls -> (0 < l)%Z) -> (rn * denominator_product m * l0 ^ (total_weight m) <= rd * weighted_product (branches m) Ls)%Z ->
  log_ratio m rn rd <= E (count m) (prob m) (fun i => ln (IZR (nth i Ls 0%Z) / (IZR (denominator (nth i (branches m) no_branch)) * IZR l0))).
Proof.
  intros Hrn Hrd Hl0 HL HLs Hineq.
  pose proof (total_weight_pos m Hwf) as HP. pose proof (denominator_product_pos m Hwf) as Hqp.
  assert (Hpp : (0 < weighted_product (branches m) Ls)%Z) by (apply weighted_product_pos; auto; intros; apply (branch_facts m Hwf); auto).
  assert (Hlp : (0 < l0 ^ total_weight m)%Z) by (apply Z.pow_pos_nonneg; lia).
  apply IZR_le in Hineq. rewrite !mult_IZR in Hineq.
  assert (Hln := ln_le_ln _ _ (Rmult_lt_0_compat _ _ (Rmult_lt_0_compat _ _ (IZR_lt _ _ Hrn) (IZR_lt _ _ Hqp)) (IZR_lt _ _ Hlp)) Hineq).
  rewrite !ln_mult in Hln; try (apply IZR_lt; auto). 2:{ apply Rmult_lt_0_compat; apply IZR_lt; auto. }
  rewrite ln_Zpow in Hln by lia. rewrite (ln_denominator_product m Hwf) in Hln.
  rewrite ln_weighted_product in Hln; auto. 2:{ intros; apply (branch_facts m Hwf); auto. }
  fold (count m) in Hln. set (P := IZR (total_weight m)) in *. assert (HP' : 0 < P) by (apply IZR_lt; auto).
  assert (E1 : E (count m) (prob m) (fun i => ln (IZR (nth i Ls 0%Z) / (IZR (denominator (nth i (branches m) no_branch)) * IZR l0))) =
    / P * (rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (nth i Ls 0%Z))) -
           rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch))))) - ln (IZR l0)).
  { rewrite <- (E_const (count m) (prob m) (model_probability m Hwf) (ln (IZR l0))).
    unfold E. unfold Rminus.
    replace (- rsum (count m) (fun i => prob m i * ln (IZR l0))) with (rsum (count m) (fun i => prob m i * - ln (IZR l0))).
    2:{ rewrite !rsum_scal_r. ring. }
    replace (- rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch))))) with
      (rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * - ln (IZR (denominator (nth i (branches m) no_branch))))).
    2:{ rewrite <- (rsum_ext (count m) (fun i => (-1) * (IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch)))))). rewrite rsum_scal; ring. intros; ring. }
    rewrite <- rsum_plus, <- rsum_scal, <- rsum_plus. apply rsum_ext; intros i Hi.
    assert (0 < IZR (nth i Ls 0%Z)) by (apply IZR_lt, HLs, nth_In; lia).
    assert (0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt; apply (branch_facts m Hwf); apply (branch_in m); auto).
    assert (0 < IZR l0) by (apply IZR_lt; auto).
    unfold Rdiv. rewrite ln_mult; auto. 2:{ apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; auto. }
    rewrite ln_Rinv by (apply Rmult_lt_0_compat; auto). rewrite ln_mult by auto. unfold prob. fold P. unfold Rdiv. ring. }
  rewrite E1. unfold log_ratio. fold P.
  apply Rmult_le_reg_l with P; auto.
  replace (P * ((ln (IZR rn) - ln (IZR rd)) / P)) with (ln (IZR rn) - ln (IZR rd)) by (field; lra).
  rewrite Rmult_minus_distr_l. rewrite <- Rmult_assoc, Rinv_r by lra. lra.
Qed.

Section LowSound.
Variables (rn rd : Z) (ce : lower_certificate).
Hypothesis Hck : check_lower rn rd ce = true.

Definition lower_value (v : vec) (y : R) : Prop :=
  exists ct sg, In ct ce /\ (sg = 1 \/ sg = -1) /\ in_dual d (fst ct) (fun k => sg * v k) /\
     y = sg * functional d (form (fst ct)) v /\ 0 < y.

Lemma lower_parts : (0 < rn)%Z /\ (0 < rd)%Z /\ ce <> nil /\
  forall ct, In ct ce -> cone_ok d (fst ct) = true /\
    tree_ok d (lower_leaf (cone_table (map fst ce)) rn rd (denominator_product m) (fst ct)) (generators (fst ct)) (snd ct) = true.
Proof.
  unfold check_lower in Hck. rewrite !andb_true_iff in Hck. destruct Hck as [[[H1 H2] H3] H4].
  apply Z.ltb_lt in H1, H2. split; auto. split; auto. split.
  - intros ->. discriminate.
  - intros ct Hct. rewrite forallb_forall in H4. specialize (H4 ct Hct). now apply andb_true_iff in H4.
Qed.

Lemma lower_step v y : lower_value v y -> exists yi : nat -> R,
  (forall i, (i < count m)%nat -> lower_value (mulv d (step m i) v) (yi i)) /\ log_ratio m rn rd + ln y <= E (count m) (prob m) (fun i => ln (yi i)).
Proof.
  intros [ct [sg [Hct [Hsg [Hdual [Hy Hy0]]]]]].
  destruct lower_parts as [Hrn [Hrd [_ Hall]]]. destruct (Hall ct Hct) as [Hc Ht].
  set (Ev := cone_table (map fst ce)) in *.
  destruct (cone_facts d _ Hc) as [Hg [_ [Hfl [_ _]]]].
  destruct (cone_spanned d _ _ Hc Hdual) as [s [Hs Hvs]].
  destruct (tree_sound d _ _ _ Ht Hg s Hs) as [es [tr [c' [Hleaf [Hes [Hc' Hveq]]]]]].
  assert (Hv : vec_eq d (fun k => sg * v k) (lincomb d c' es)).
  { intros k Hk. rewrite (Hvs k Hk). apply Hveq; auto. }
  unfold lower_leaf in Hleaf. rewrite !andb_true_iff in Hleaf. destruct Hleaf as [Hlen [Hbr Hvx]].
  apply Nat.eqb_eq in Hlen. rewrite forallb_forall in Hbr, Hvx.
  set (t0 := (1%positive, true) : target).
  set (z := combine (branches m) tr) in *.
  assert (Hz : length z = count m) by (unfold z; rewrite combine_length; unfold count in *; lia).
  assert (Hznth : forall i, nth i z (no_branch, t0) = (nth i (branches m) no_branch, nth i tr t0)).
  { intros i. unfold z. apply combine_nth. unfold count in Hlen. lia. }
  (* target cones *)
  assert (Htgt : forall i, (i < count m)%nat -> exists ct', In ct' ce /\ PositiveMap.find (fst (nth i tr t0)) Ev = Some (fst ct') /\
     forall l k, (l < d)%nat -> (k < d)%nat -> (0 <= dot (nth k (duals (fst ct')) nil) (image (signed_rows (nth i (branches m) no_branch) (nth i tr t0)) (nth l es nil)))%Z).
  { intros i Hi. assert (Hin : In (nth i z (no_branch, t0)) z) by (apply nth_In; lia).
    specialize (Hbr _ Hin). rewrite Hznth in Hbr. unfold lands in Hbr. simpl fst in Hbr; simpl snd in Hbr.
    destruct (PositiveMap.find (fst (nth i tr t0)) Ev) as [c1|] eqn:Hf; [|discriminate].
    pose proof (cone_table_find _ _ _ Hf) as Hin1. apply in_map_iff in Hin1. destruct Hin1 as [ct' [<- Hct']].
    exists ct'. split; auto. split; auto. intros l k Hl Hk. rewrite forallb_forall in Hbr.
    assert (Hine : In (nth l es nil) es) by (apply nth_In; destruct Hes; lia).
    specialize (Hbr _ Hine). cbv zeta in Hbr. rewrite forallb_forall in Hbr. apply Z.leb_le. apply Hbr.
    apply nth_In. destruct (cone_facts d _ (proj1 (Hall ct' Hct'))) as [_ [[Hdl _] _]]. lia. }
  set (LZ := fun i l => image_value Ev (nth i (branches m) no_branch, nth i tr t0) (nth l es nil)).
  set (q := fun i => IZR (denominator (nth i (branches m) no_branch))).
  set (l0 := fun l => dot (form (fst ct)) (nth l es nil)).
  set (yi := fun i => rsum d (fun l => c' l / q i * IZR (LZ i l))).
  assert (Hq : forall i, (i < count m)%nat -> 0 < q i).
  { intros i Hi. apply IZR_lt. apply (branch_facts m Hwf). apply (branch_in m); auto. }
  (* vertex facts *)
  assert (Hvert : forall l, (l < d)%nat -> (0 < l0 l)%Z /\ (forall i, (i < count m)%nat -> (0 < LZ i l)%Z) /\
     log_ratio m rn rd <= E (count m) (prob m) (fun i => ln (IZR (LZ i l) / (q i * IZR (l0 l))))).
  { intros l Hl. assert (Hine : In (nth l es nil) es) by (apply nth_In; destruct Hes; lia).
    specialize (Hvx _ Hine). cbv zeta in Hvx. rewrite !andb_true_iff in Hvx. destruct Hvx as [[V1 V2] V3].
    apply Z.ltb_lt in V1. apply Z.leb_le in V3. rewrite forallb_forall in V2.
    set (Ls := map (fun bt => image_value Ev bt (nth l es nil)) z) in *.
    assert (HLs : forall x, In x Ls -> (0 < x)%Z) by (intros x Hx; apply Z.ltb_lt; auto).
    assert (HLl : length Ls = count m) by (unfold Ls; rewrite map_length; auto).
    assert (HLn : forall i, (i < count m)%nat -> nth i Ls 0%Z = LZ i l).
    { intros i Hi. unfold Ls, LZ. rewrite <- Hznth.
      rewrite (nth_map _ _ _ (no_branch, t0)) by lia. reflexivity. }
    split; [exact V1|]. split.
    - intros i Hi. rewrite <- HLn by auto. apply HLs, nth_In. lia.
    - eapply Rle_trans. apply (vertex_inequality rn rd (l0 l) Ls); auto.
      right. apply E_ext. intros i Hi. rewrite HLn by auto. reflexivity. }
  (* y = sum c' l0 *)
  assert (Hyl : y = rsum d (fun l => c' l * IZR (l0 l))).
  { rewrite Hy. rewrite <- functional_scal. rewrite (functional_ext d _ _ _ Hv). apply functional_lincomb; auto. apply Hes. }
  set (t := fun l => c' l * IZR (l0 l) / y).
  assert (Hl0 : forall l, (l < d)%nat -> 0 < IZR (l0 l)) by (intros l Hl; apply IZR_lt; apply Hvert; auto).
  assert (Ht0 : forall l, (l < d)%nat -> 0 <= t l).
  { intros l Hl. unfold t. apply Rmult_le_pos; [apply Rmult_le_pos; auto; left; auto | left; apply Rinv_0_lt_compat; auto]. }
  assert (Ht1 : rsum d t = 1).
  { unfold t, Rdiv. rewrite rsum_scal_r, <- Hyl. apply Rinv_r; lra. }
  assert (Hx : forall i l, (i < count m)%nat -> (l < d)%nat -> 0 < IZR (LZ i l) / (q i * IZR (l0 l))).
  { intros i l Hi Hl. apply Rdiv_lt_0_compat. apply IZR_lt. apply Hvert; auto. apply Rmult_lt_0_compat; auto. }
  assert (Hyi : forall i, (i < count m)%nat -> yi i = y * rsum d (fun l => t l * (IZR (LZ i l) / (q i * IZR (l0 l))))).
  { intros i Hi. unfold yi. rewrite <- rsum_scal. apply rsum_ext; intros l Hl. unfold t. pose proof (Hq i Hi). pose proof (Hl0 l Hl). field. lra. }
  assert (Hsum_pos : forall i, (i < count m)%nat -> 0 < rsum d (fun l => t l * (IZR (LZ i l) / (q i * IZR (l0 l))))).
  { intros i Hi. assert (Hex : exists l, (l < d)%nat /\ 0 < t l).
    { destruct (Classical_Prop.classic (exists l, (l < d)%nat /\ 0 < t l)) as [|Hno]; auto. exfalso.
      rewrite (rsum_ext d t (fun _ => 0)) in Ht1. rewrite rsum_zero in Ht1; lra.
      intros l Hl. destruct (Ht0 l Hl); auto. exfalso; apply Hno; exists l; auto. }
    destruct Hex as [l [Hl Htl]]. apply rsum_pos with l; auto.
    intros j Hj. apply Rmult_le_pos; auto. left; auto. apply Rmult_lt_0_compat; auto. }
  exists yi. split.
  - intros i Hi. destruct (Htgt i Hi) as [ct' [Hct' [Hf Hdu]]].
    exists ct', (sign_of (nth i tr t0) * sg). split; auto. split.
    { unfold sign_of. destruct (snd (nth i tr t0)); destruct Hsg as [-> | ->]; lra. }
    destruct (cone_facts d _ (proj1 (Hall ct' Hct'))) as [_ [[Hd1 Hd2] [Hfl' _]]].
    split; [|split].
    + intros k Hk. rewrite functional_scal. rewrite (functional_image m Hwf i es c' sg v (nth i tr t0)); auto.
      apply rsum_nonneg; intros l Hl. apply Rmult_le_pos. apply Rmult_le_pos; auto. left; apply Rinv_0_lt_compat; apply Hq; auto.
      apply IZR_le. apply Hdu; auto.
    + rewrite (functional_image m Hwf i es c' sg v (nth i tr t0)); auto.
      unfold yi. apply rsum_ext; intros l Hl. unfold LZ, image_value. simpl fst; simpl snd. rewrite Hf. reflexivity.
    + rewrite Hyi by auto. apply Rmult_lt_0_compat; auto.
  - (* Jensen *)
    rewrite (E_ext (count m) (prob m) (fun i => ln (yi i)) (fun i => ln y + ln (rsum d (fun l => t l * (IZR (LZ i l) / (q i * IZR (l0 l))))))).
    2:{ intros i Hi. rewrite Hyi by auto. rewrite ln_mult; auto. }
    rewrite E_plus, (E_const _ _ (model_probability m Hwf)). rewrite Rplus_comm. apply Rplus_le_compat_l.
    eapply Rle_trans.
    2:{ apply (E_le (count m) (prob m) (model_probability m Hwf)) with (f := fun i => rsum d (fun l => t l * ln (IZR (LZ i l) / (q i * IZR (l0 l))))).
        intros i Hi. apply jensen_ln; auto. }
    unfold E. rewrite (rsum_ext (count m) _ (fun i => rsum d (fun l => t l * (prob m i * ln (IZR (LZ i l) / (q i * IZR (l0 l))))))).
    2:{ intros i Hi. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
    rewrite rsum_swap.
    replace (log_ratio m rn rd) with (rsum d (fun l => t l * log_ratio m rn rd)) by (rewrite rsum_scal_r, Ht1; ring).
    apply rsum_le; intros l Hl. rewrite rsum_scal. apply Rmult_le_compat_l; auto. apply Hvert; auto.
Qed.

Theorem check_lower_sound : (log_ratio m rn rd <= model_exponent m)%ext.
Proof.
  destruct lower_parts as [Hrn [Hrd [Hne Hall]]].
  destruct (exists_bound ce (fun ct => rsum d (fun i => Rabs (IZR (nth i (form (fst ct)) 0%Z))))) as [G [HG HGb]].
  destruct ce as [|ct0 rest] eqn:Ece; [congruence|]. rewrite <- Ece in *.
  assert (Hin0 : In ct0 ce) by (rewrite Ece; left; auto).
  destruct (cone_facts d _ (proj1 (Hall ct0 Hin0))) as [[Hg1 Hg2] [[Hd1 Hd2] [Hfl [HD [Hfg HI]]]]].
  pose proof (dim_pos m Hwf) as Hd0.
  set (g := nth 0 (generators (fst ct0)) nil).
  set (v0 := (fun k => IZR (nth k g 0%Z)) : vec).
  assert (Hfnv : forall f, length f = d -> functional d f v0 = IZR (dot f g)).
  { intros f Hf. rewrite (dot_rsum d); auto. apply Hg2; auto. }
  apply (sandwich_lower d (count m) (prob m) (step m) (model_probability m Hwf) Hd0 lower_value G (log_ratio m rn rd)) with (v0 := v0) (y0 := IZR (dot (form (fst ct0)) g)).
  - intros v y [ct [sg [Hct [Hsg [_ [Hy Hy0]]]]]]. split; auto.
    rewrite Hy. eapply Rle_trans; [apply Rle_abs|]. rewrite Rabs_mult.
    replace (Rabs sg) with 1. 2:{ destruct Hsg as [-> | ->]. now rewrite Rabs_R1. rewrite Rabs_left; lra. }
    rewrite Rmult_1_l. eapply Rle_trans; [apply (functional_bound m)|].
    apply Rmult_le_compat_r; [apply norm_nonneg |]. apply (HGb ct Hct).
  - apply lower_step.
  - exists ct0, 1. destruct (Hfg 0%nat Hd0) as [F1 F2]. fold g in F1, F2. split; auto. split; auto. split; [|split].
    + intros k Hk. rewrite functional_scal, Rmult_1_l. rewrite Hfnv by (apply Hd2; auto). apply IZR_le. apply F2; auto.
    + rewrite Hfnv; auto. ring.
    + apply IZR_lt. lia.
Qed.
End LowSound.


(* ---------- upper certificate: multipliers u_i and C per leaf (weighted AM-GM) ---------- *)
Definition multipliers := (list target * list Z * Z)%type.
Definition weighted_sum (bs : list branch) (us Ls : list Z) : Z := zsum (map (fun x => weight (fst (fst x)) * snd (fst x) * snd x)%Z (combine (combine bs us) Ls)).
Definition upper_leaf (E : table cone) (rn rd U : Z) (c : cone) (es : list (list Z)) (x : multipliers) : bool :=
  let '(tr, us, C) := x in
  (length tr =? count m)%nat && (length us =? count m)%nat && (0 <? C)%Z && (C <=? U)%Z && forallb (fun u => (0 <? u)%Z) us &&
  (let qs := map denominator (branches m) in
   (C ^ (total_weight m) * rd <=? rn * (total_weight m) ^ (total_weight m) * (weighted_product (branches m) us * weighted_product (branches m) qs))%Z && (weighted_sum (branches m) us qs <=? U * C)%Z) &&
  (let z := combine (branches m) tr in
   forallb (lands E es) z &&
   forallb (fun e => (weighted_sum (branches m) us (map (fun bt => image_value E bt e) z) <=? C * dot (form c) e)%Z) es).
Definition upper_certificate := list (cone * tree multipliers).
Definition check_upper (rn rd U : Z) (ce : upper_certificate) : bool :=
  (0 <? rn)%Z && (0 <? rd)%Z && negb (length ce =? 0)%nat &&
  (let E := cone_table (map fst ce) in
   forallb (fun ct => cone_ok d (fst ct) && tree_ok d (upper_leaf E rn rd U (fst ct)) (generators (fst ct)) (snd ct)) ce).

Lemma weighted_sum_rsum : forall bs us Ls, length us = length bs -> length Ls = length bs ->
  IZR (weighted_sum bs us Ls) = rsum (length bs) (fun i => IZR (weight (nth i bs no_branch)) * IZR (nth i us 0%Z) * IZR (nth i Ls 0%Z)).
Proof.
  induction bs as [|b bs IH]; intros [|u us] [|l Ls] H1 H2; try discriminate. reflexivity.
  cbn [length]. rewrite rsum_shift. cbn [nth]. unfold weighted_sum. cbn [combine map zsum fold_right fst snd].
  rewrite plus_IZR, !mult_IZR. f_equal. apply IH; simpl in *; lia.
Qed.

Section UpSound.
Variables (rn rd U : Z) (ce : upper_certificate).
Hypothesis Hck : check_upper rn rd U ce = true.

Lemma upper_parts : (0 < rn)%Z /\ (0 < rd)%Z /\ ce <> nil /\
  forall ct, In ct ce -> cone_ok d (fst ct) = true /\
    tree_ok d (upper_leaf (cone_table (map fst ce)) rn rd U (fst ct)) (generators (fst ct)) (snd ct) = true.
Proof.
  unfold check_upper in Hck. rewrite !andb_true_iff in Hck. destruct Hck as [[[H1 H2] H3] H4].
  apply Z.ltb_lt in H1, H2. split; auto. split; auto. split.
  - intros ->. discriminate.
  - intros ct Hct. rewrite forallb_forall in H4. specialize (H4 ct Hct). now apply andb_true_iff in H4.
Qed.

Definition upper_value (v : vec) (y : R) : Prop :=
  exists ct sg, In ct ce /\ (sg = 1 \/ sg = -1) /\ in_dual d (fst ct) (fun k => sg * v k) /\
     y = sg * functional d (form (fst ct)) v /\ 0 < y.

(* integer leaf condition -> log bound *)
Lemma leaf_inequality (us : list Z) (C : Z) : (0 < rn)%Z -> (0 < rd)%Z -> length us = count m -> (forall u, In u us -> (0 < u)%Z) -> (0 < C)%Z ->
  (C ^ (total_weight m) * rd <= rn * (total_weight m) ^ (total_weight m) * (weighted_product (branches m) us * denominator_product m))%Z ->
  ln (IZR C / IZR (total_weight m)) - E (count m) (prob m) (fun i => ln (IZR (nth i us 0%Z) * IZR (denominator (nth i (branches m) no_branch)))) <= log_ratio m rn rd.
Proof.
  intros Hrn Hrd Hlu Hus HC Hineq.
  pose proof (total_weight_pos m Hwf) as HP. pose proof (denominator_product_pos m Hwf) as Hqp.
  assert (Hpu : (0 < weighted_product (branches m) us)%Z) by (apply weighted_product_pos; auto; intros; apply (branch_facts m Hwf); auto).
  assert (HCp : (0 < C ^ total_weight m)%Z) by (apply Z.pow_pos_nonneg; lia).
  assert (HPp : (0 < total_weight m ^ total_weight m)%Z) by (apply Z.pow_pos_nonneg; lia).
  apply IZR_le in Hineq. rewrite !mult_IZR in Hineq.
  assert (Hln := ln_le_ln _ _ (Rmult_lt_0_compat _ _ (IZR_lt _ _ HCp) (IZR_lt _ _ Hrd)) Hineq).
  rewrite !ln_mult in Hln; repeat apply Rmult_lt_0_compat; try (apply IZR_lt; auto; fail).
  rewrite !ln_Zpow in Hln by lia. rewrite (ln_denominator_product m Hwf) in Hln. rewrite ln_weighted_product in Hln; auto. 2:{ intros; apply (branch_facts m Hwf); auto. }
  fold (count m) in Hln. set (P := IZR (total_weight m)) in *. assert (HP' : 0 < P) by (apply IZR_lt; auto).
  assert (HCR : 0 < IZR C) by (apply IZR_lt; auto).
  assert (E1 : E (count m) (prob m) (fun i => ln (IZR (nth i us 0%Z) * IZR (denominator (nth i (branches m) no_branch)))) =
    / P * (rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (nth i us 0%Z))) +
           rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch)))))).
  { unfold E. rewrite <- rsum_plus, <- rsum_scal. apply rsum_ext; intros i Hi.
    rewrite ln_mult. unfold prob. fold P. unfold Rdiv. ring.
    apply IZR_lt, Hus, nth_In; lia. apply IZR_lt. apply (branch_facts m Hwf). apply (branch_in m); auto. }
  rewrite E1. unfold log_ratio. fold P. unfold Rdiv at 1. rewrite ln_mult, ln_Rinv; auto. 2:{ apply Rinv_0_lt_compat; auto. }
  apply Rmult_le_reg_l with P; auto.
  replace (P * ((ln (IZR rn) - ln (IZR rd)) / P)) with (ln (IZR rn) - ln (IZR rd)) by (field; lra).
  rewrite Rmult_minus_distr_l. rewrite <- Rmult_assoc, Rinv_r by lra. lra.
Qed.

Lemma upper_step del : 0 < del -> forall v y, upper_value v y -> exists yi : nat -> R,
  (forall i, (i < count m)%nat -> (norm d (mulv d (step m i) v) = 0 \/ upper_value (mulv d (step m i) v) (yi i)) /\ yi i <= IZR U * y) /\
  E (count m) (prob m) (fun i => ln (Rmax (yi i / y) del)) <= log_ratio m rn rd + del * IZR U.
Proof.
  intros Hdel v y [ct [sg [Hct [Hsg [Hdual [Hy Hy0]]]]]].
  destruct upper_parts as [Hrn [Hrd [_ Hall]]]. destruct (Hall ct Hct) as [Hc Ht].
  set (Ev := cone_table (map fst ce)) in *.
  destruct (cone_facts d _ Hc) as [Hg [_ [Hfl [_ _]]]].
  destruct (cone_spanned d _ _ Hc Hdual) as [s [Hs Hvs]].
  destruct (tree_sound d _ _ _ Ht Hg s Hs) as [es [[[tr us] C] [c' [Hleaf [Hes [Hc' Hveq]]]]]].
  assert (Hv : vec_eq d (fun k => sg * v k) (lincomb d c' es)).
  { intros k Hk. rewrite (Hvs k Hk). apply Hveq; auto. }
  unfold upper_leaf in Hleaf. cbv zeta in Hleaf. rewrite !andb_true_iff in Hleaf.
  destruct Hleaf as [[[[[[Hlen Hlu] HC] HCU] Hus] [HG1 HG2]] [Hbr Hvx]].
  apply Nat.eqb_eq in Hlen, Hlu. apply Z.ltb_lt in HC. apply Z.leb_le in HCU, HG1, HG2. rewrite forallb_forall in Hus, Hbr, Hvx.
  assert (Hus' : forall u, In u us -> (0 < u)%Z) by (intros u Hu; apply Z.ltb_lt; auto).
  set (t0 := (1%positive, true) : target).
  set (z := combine (branches m) tr) in *.
  assert (Hz : length z = count m) by (unfold z; rewrite combine_length; unfold count in *; lia).
  assert (Hznth : forall i, nth i z (no_branch, t0) = (nth i (branches m) no_branch, nth i tr t0)).
  { intros i. unfold z. apply combine_nth. unfold count in Hlen. lia. }
  assert (Htgt : forall i, (i < count m)%nat -> exists ct', In ct' ce /\ PositiveMap.find (fst (nth i tr t0)) Ev = Some (fst ct') /\
     forall l k, (l < d)%nat -> (k < d)%nat -> (0 <= dot (nth k (duals (fst ct')) nil) (image (signed_rows (nth i (branches m) no_branch) (nth i tr t0)) (nth l es nil)))%Z).
  { intros i Hi. assert (Hin : In (nth i z (no_branch, t0)) z) by (apply nth_In; lia).
    specialize (Hbr _ Hin). rewrite Hznth in Hbr. unfold lands in Hbr. simpl fst in Hbr; simpl snd in Hbr.
    destruct (PositiveMap.find (fst (nth i tr t0)) Ev) as [c1|] eqn:Hf; [|discriminate].
    pose proof (cone_table_find _ _ _ Hf) as Hin1. apply in_map_iff in Hin1. destruct Hin1 as [ct' [<- Hct']].
    exists ct'. split; auto. split; auto. intros l k Hl Hk. rewrite forallb_forall in Hbr.
    assert (Hine : In (nth l es nil) es) by (apply nth_In; destruct Hes; lia).
    specialize (Hbr _ Hine). cbv zeta in Hbr. rewrite forallb_forall in Hbr. apply Z.leb_le. apply Hbr.
    apply nth_In. destruct (cone_facts d _ (proj1 (Hall ct' Hct'))) as [_ [[Hdl _] _]]. lia. }
  set (LZ := fun i l => image_value Ev (nth i (branches m) no_branch, nth i tr t0) (nth l es nil)).
  set (q := fun i => IZR (denominator (nth i (branches m) no_branch))).
  set (u := fun i => IZR (nth i us 0%Z)).
  set (Pi := fun i => IZR (weight (nth i (branches m) no_branch))).
  set (l0 := fun l => dot (form (fst ct)) (nth l es nil)).
  set (yi := fun i => rsum d (fun l => c' l / q i * IZR (LZ i l))).
  assert (Hq : forall i, (i < count m)%nat -> 1 <= q i).
  { intros i Hi. apply IZR_le. pose proof (proj1 (proj2 (branch_facts m Hwf _ (branch_in m i Hi)))). lia. }
  assert (Hu : forall i, (i < count m)%nat -> 1 <= u i).
  { intros i Hi. apply IZR_le. assert (Hin : In (nth i us 0%Z) us) by (apply nth_In; lia). apply Hus' in Hin. lia. }
  assert (HPi : forall i, (i < count m)%nat -> 1 <= Pi i).
  { intros i Hi. apply IZR_le. pose proof (proj1 (branch_facts m Hwf _ (branch_in m i Hi))). lia. }
  assert (Hvert : forall l, (l < d)%nat -> rsum (count m) (fun i => Pi i * u i * IZR (LZ i l)) <= IZR C * IZR (l0 l)).
  { intros l Hl. assert (Hine : In (nth l es nil) es) by (apply nth_In; destruct Hes; lia).
    specialize (Hvx _ Hine). apply Z.leb_le in Hvx. apply IZR_le in Hvx.
    rewrite weighted_sum_rsum, mult_IZR in Hvx. 2: exact Hlu. 2:{ rewrite map_length. exact Hz. }
    eapply Rle_trans; [| exact Hvx]. right. apply rsum_ext. intros i Hi. unfold Pi, u, LZ. f_equal. f_equal.
    rewrite (nth_map _ _ _ (no_branch, t0)) by (rewrite Hz; auto). rewrite Hznth. reflexivity. }
  assert (Hyl : y = rsum d (fun l => c' l * IZR (l0 l))).
  { rewrite Hy. rewrite <- functional_scal. rewrite (functional_ext d _ _ _ Hv). apply functional_lincomb; auto. apply Hes. }
  (* targets: membership *)
  assert (Hmem : forall i, (i < count m)%nat -> 0 <= yi i /\ (norm d (mulv d (step m i) v) = 0 \/ upper_value (mulv d (step m i) v) (yi i))).
  { intros i Hi. destruct (Htgt i Hi) as [ct' [Hct' [Hf Hdu]]].
    set (sg' := sign_of (nth i tr t0) * sg).
    assert (Hsg' : sg' = 1 \/ sg' = -1).
    { unfold sg', sign_of. destruct (snd (nth i tr t0)); destruct Hsg as [-> | ->]; lra. }
    destruct (cone_facts d _ (proj1 (Hall ct' Hct'))) as [Hg' [[Hd1 Hd2] [Hfl' [_ [Hfg _]]]]].
    assert (Hid : in_dual d (fst ct') (fun k => sg' * mulv d (step m i) v k)).
    { intros k Hk. rewrite functional_scal. unfold sg'. rewrite (functional_image m Hwf i es c' sg v (nth i tr t0)); auto.
      apply rsum_nonneg; intros l Hl. apply Rmult_le_pos. apply Rmult_le_pos; auto. left; apply Rinv_0_lt_compat.
      pose proof (Hq i Hi). unfold q in H. lra. apply IZR_le. apply Hdu; auto. }
    assert (Hyi : yi i = sg' * functional d (form (fst ct')) (mulv d (step m i) v)).
    { unfold sg'. rewrite (functional_image m Hwf i es c' sg v (nth i tr t0)); auto.
      unfold yi. apply rsum_ext; intros l Hl. unfold LZ, image_value. simpl fst; simpl snd. rewrite Hf. reflexivity. }
    destruct (cone_spanned d _ _ (proj1 (Hall ct' Hct')) Hid) as [s' [Hs' Hvs']].
    assert (Hyi2 : yi i = rsum d (fun l => s' l * IZR (dot (form (fst ct')) (nth l (generators (fst ct')) nil)))).
    { rewrite Hyi, <- functional_scal, (functional_ext d _ _ _ Hvs'). apply functional_lincomb; auto. apply Hg'. }
    assert (Hge : rsum d s' <= yi i).
    { rewrite Hyi2. apply rsum_le; intros l Hl. rewrite <- (Rmult_1_r (s' l)) at 1. apply Rmult_le_compat_l; auto.
      apply IZR_le. apply Hfg; auto. }
    assert (Hs'0 : 0 <= rsum d s') by (apply rsum_nonneg; auto).
    split; [lra|].
    destruct (Rle_lt_dec (yi i) 0) as [Hle|Hlt].
    - left. assert (Hz0 : forall l, (l < d)%nat -> s' l = 0).
      { intros l Hl. pose proof (rsum_term_le d s' l Hl Hs'). pose proof (Hs' l Hl). lra. }
      assert (Hv0 : norm d (mulv d (step m i) v) <= 0).
      { eapply Rle_trans; [apply norm_le_sum|]. rewrite <- (rsum_zero d). apply rsum_le; intros k Hk.
        assert (Hk0 : sg' * mulv d (step m i) v k = 0).
        { rewrite (Hvs' k Hk). unfold lincomb. rewrite (rsum_ext d _ (fun _ => 0)). apply rsum_zero. intros l Hl. rewrite Hz0; auto. ring. }
        replace (mulv d (step m i) v k) with 0. rewrite Rabs_R0; lra. destruct Hsg' as [E0|E0]; rewrite E0 in Hk0; lra. }
      pose proof (norm_nonneg d (mulv d (step m i) v)). lra.
    - right. exists ct', sg'. split; auto. }
  (* sum of weighted yi *)
  assert (Hsum : rsum (count m) (fun i => Pi i * (u i * (q i * yi i))) <= IZR C * y).
  { rewrite Hyl, <- rsum_scal.
    rewrite (rsum_ext (count m) _ (fun i => rsum d (fun l => c' l * (Pi i * u i * IZR (LZ i l))))).
    2:{ intros i Hi. unfold yi. rewrite <- !rsum_scal. apply rsum_ext; intros l Hl. pose proof (Hq i Hi). field. lra. }
    rewrite rsum_swap. apply rsum_le; intros l Hl. rewrite rsum_scal.
    replace (IZR C * (c' l * IZR (l0 l))) with (c' l * (IZR C * IZR (l0 l))) by ring.
    apply Rmult_le_compat_l; auto. }
  assert (HPuq : forall i, (i < count m)%nat -> 1 <= Pi i * (u i * q i)).
  { intros i Hi. pose proof (Hq i Hi). pose proof (Hu i Hi). pose proof (HPi i Hi).
    assert (1 <= u i * q i) by nra. nra. }
  assert (HCU' : IZR C <= IZR U) by (apply IZR_le; auto).
  assert (HCR : 0 < IZR C) by (apply IZR_lt; auto).
  exists yi. split.
  - intros i Hi. split. apply Hmem; auto.
    assert (H1 : Pi i * (u i * (q i * yi i)) <= IZR C * y).
    { eapply Rle_trans; [| exact Hsum]. apply (rsum_term_le (count m) (fun i => Pi i * (u i * (q i * yi i)))); auto.
      intros j Hj. pose proof (Hq j Hj). pose proof (Hu j Hj). pose proof (HPi j Hj). pose proof (proj1 (Hmem j Hj)).
      repeat apply Rmult_le_pos; lra. }
    pose proof (HPuq i Hi). pose proof (proj1 (Hmem i Hi)).
    assert (yi i <= Pi i * (u i * (q i * yi i))).
    { replace (Pi i * (u i * (q i * yi i))) with ((Pi i * (u i * q i)) * yi i) by ring. nra. }
    nra.
  - set (x := fun i => Rmax (yi i / y) del).
    assert (Hx : forall i, 0 < x i) by (intros; eapply Rlt_le_trans; [exact Hdel | apply Rmax_r]).
    set (P := IZR (total_weight m)). assert (HP : 0 < P) by (apply IZR_lt; apply (total_weight_pos m Hwf)).
    (* E ln x = E ln (u q x) - E ln (u q) *)
    assert (Huq : forall i, (i < count m)%nat -> 0 < u i * q i).
    { intros i Hi. pose proof (Hq i Hi). pose proof (Hu i Hi). nra. }
    assert (E1 : E (count m) (prob m) (fun i => ln (x i)) = E (count m) (prob m) (fun i => ln (u i * q i * x i)) - E (count m) (prob m) (fun i => ln (u i * q i))).
    { assert (E (count m) (prob m) (fun i => ln (u i * q i * x i)) = E (count m) (prob m) (fun i => ln (u i * q i)) + E (count m) (prob m) (fun i => ln (x i))).
      { rewrite <- E_plus. apply E_ext; intros i Hi. apply ln_mult; auto. }
      lra. }
    change (E (count m) (prob m) (fun i => ln (x i)) <= log_ratio m rn rd + del * IZR U). rewrite E1.
    assert (E2 : E (count m) (prob m) (fun i => u i * q i * x i) <= IZR C / P * (1 + del * IZR U)).
    { apply Rle_trans with (/ P * rsum (count m) (fun i => Pi i * (u i * (q i * yi i)) / y + del * (Pi i * u i * q i))).
      - unfold E. rewrite <- rsum_scal. apply rsum_le; intros i Hi. unfold prob. fold P. unfold Rdiv.
        replace (/ P * (Pi i * (u i * (q i * yi i)) * / y + del * (Pi i * u i * q i))) with
          (IZR (weight (nth i (branches m) no_branch)) * / P * (u i * q i * (yi i * / y + del))) by (unfold Pi; ring).
        apply Rmult_le_compat_l. apply Rmult_le_pos. pose proof (HPi i Hi). unfold Pi in H. lra. left; apply Rinv_0_lt_compat; auto.
        apply Rmult_le_compat_l. left; auto. unfold x. apply Rmax_lub.
        unfold Rdiv; lra. assert (0 <= yi i * / y). { apply Rmult_le_pos. apply Hmem; auto. left; apply Rinv_0_lt_compat; auto. } lra.
      - rewrite rsum_plus, rsum_scal. unfold Rdiv. rewrite rsum_scal_r.
        assert (G2 : rsum (count m) (fun i => Pi i * u i * q i) <= IZR U * IZR C).
        { apply IZR_le in HG2. rewrite weighted_sum_rsum, mult_IZR in HG2. 2: exact Hlu. 2: apply map_length.
          eapply Rle_trans; [| exact HG2]. right. apply rsum_ext; intros i Hi. unfold Pi, u, q. f_equal.
          now rewrite (nth_map _ _ _ no_branch) by auto. }
        assert (G1 : rsum (count m) (fun i => Pi i * (u i * (q i * yi i))) * / y <= IZR C).
        { apply Rmult_le_reg_r with y; auto. rewrite Rmult_assoc, Rinv_l by lra. lra. }
        replace (IZR C * / P * (1 + del * IZR U)) with (/ P * (IZR C + del * (IZR U * IZR C))) by ring.
        apply Rmult_le_compat_l. left; apply Rinv_0_lt_compat; auto.
        assert (del * rsum (count m) (fun i => Pi i * u i * q i) <= del * (IZR U * IZR C)) by (apply Rmult_le_compat_l; lra). lra. }
    assert (E3 : E (count m) (prob m) (fun i => ln (u i * q i * x i)) <= ln (E (count m) (prob m) (fun i => u i * q i * x i))).
    { unfold E. apply jensen_ln. intros l Hl. split. apply (prob_nonneg _ _ (model_probability m Hwf)); auto. apply Rmult_lt_0_compat; auto. apply (model_probability m Hwf). }
    assert (HU0 : 0 <= IZR U) by lra.
    assert (Hdu : 0 <= del * IZR U) by (apply Rmult_le_pos; lra).
    assert (HCP : 0 < IZR C / P) by (apply Rdiv_lt_0_compat; auto).
    assert (E4 : ln (E (count m) (prob m) (fun i => u i * q i * x i)) <= ln (IZR C / P) + del * IZR U).
    { eapply Rle_trans. apply ln_le_ln; [| exact E2].
      - unfold E. apply rsum_pos with 0%nat. apply (count_pos m Hwf).
        intros j Hj. apply Rmult_le_pos. apply (prob_nonneg _ _ (model_probability m Hwf)); auto. apply Rmult_le_pos; left; auto.
        pose proof (count_pos m Hwf). apply Rmult_lt_0_compat. unfold prob. apply Rdiv_lt_0_compat. pose proof (HPi 0%nat H). unfold Pi in H0. lra. auto.
        apply Rmult_lt_0_compat; auto.
      - rewrite ln_mult by lra. pose proof (ln_le_minus_1 (1 + del * IZR U)). lra. }
    pose proof (leaf_inequality us C Hrn Hrd Hlu Hus' HC HG1) as E5. fold P in E5. unfold u, q in *. lra.
Qed.

Theorem check_upper_sound : (model_exponent m <= log_ratio m rn rd)%ext.
Proof.
  destruct upper_parts as [Hrn [Hrd [Hne Hall]]].
  destruct (exists_bound ce (fun ct => rsum d (fun l => rsum d (fun i => Rabs (IZR (nth i (nth l (generators (fst ct)) nil) 0%Z)))))) as [G [HG HGb]].
  destruct ce as [|ct0 rest] eqn:Ece; [congruence|]. rewrite <- Ece in *.
  assert (Hin0 : In ct0 ce) by (rewrite Ece; left; auto).
  destruct (cone_facts d _ (proj1 (Hall ct0 Hin0))) as [[Hg1 Hg2] [[Hd1 Hd2] [Hfl [HD [Hfg HI]]]]].
  pose proof (dim_pos m Hwf) as Hd0.
  set (g := fun l => nth l (generators (fst ct0)) nil).
  set (vs := fun l => (fun k => IZR (nth k (g l) 0%Z)) : vec).
  assert (Hfnv : forall f l, (l < d)%nat -> length f = d -> functional d f (vs l) = IZR (dot f (g l))).
  { intros f l Hl Hf. rewrite (dot_rsum d); auto. apply Hg2; auto. }
  assert (HU : 0 <= IZR U).
  { (* from any leaf: 0 < C <= U *)
    destruct (Hall ct0 Hin0) as [Hc Ht]. destruct (cone_facts d _ Hc) as [Hg [_ _]].
    destruct (tree_sound d _ _ _ Ht Hg (fun _ => 0)) as [es [[[tr us] C] [c' [Hleaf _]]]]. intros; lra.
    unfold upper_leaf in Hleaf. cbv zeta in Hleaf. rewrite !andb_true_iff in Hleaf.
    destruct Hleaf as [[[[[[_ _] HC] HCU] _] _] _]. apply Z.ltb_lt in HC. apply Z.leb_le in HCU.
    assert (H : (0 <= U)%Z) by lia. apply IZR_le in H. lra. }
  destruct (frobenius_le_generators d (fst ct0) (proj1 (Hall ct0 Hin0))) as [K [HK HKM]].
  assert (Hmain : forall del, 0 < del -> (model_exponent m <= log_ratio m rn rd + del * IZR U)%ext).
  { intros del Hdel. unfold model_exponent. fold d.
    apply (sandwich_upper d (count m) (prob m) (step m) (model_probability m Hwf) Hd0 upper_value (/ G) del (IZR U) (log_ratio m rn rd + del * IZR U)) with (k := d) (vs := vs) (ys := fun l => IZR (dot (form (fst ct0)) (g l))) (K := K); auto.
    - apply Rinv_0_lt_compat; auto.
    - intros v y [ct [sg [Hct [Hsg [Hdual [Hy Hy0]]]]]]. split; auto.
      destruct (Hall ct Hct) as [Hc _]. destruct (cone_facts d _ Hc) as [Hg' [_ [Hfl' [_ [Hfg' _]]]]].
      destruct (cone_spanned d _ _ Hc Hdual) as [s [Hs Hvs]].
      assert (Hyl : y = rsum d (fun l => s l * IZR (dot (form (fst ct)) (nth l (generators (fst ct)) nil)))).
      { rewrite Hy, <- functional_scal, (functional_ext d _ _ _ Hvs). apply functional_lincomb; auto. apply Hg'. }
      assert (Hge : rsum d s <= y).
      { rewrite Hyl. apply rsum_le; intros l Hl. rewrite <- (Rmult_1_r (s l)) at 1. apply Rmult_le_compat_l; auto.
        apply IZR_le. apply Hfg'; auto. }
      assert (Hvn : norm d v <= G * rsum d s).
      { eapply Rle_trans; [apply norm_le_sum|].
        apply Rle_trans with (rsum d (fun k => rsum d (fun l => s l * Rabs (IZR (nth k (nth l (generators (fst ct)) nil) 0%Z))))).
        - apply rsum_le; intros k Hk. replace (Rabs (v k)) with (Rabs (sg * v k)).
          2:{ rewrite Rabs_mult. replace (Rabs sg) with 1. ring. destruct Hsg as [-> | ->]. now rewrite Rabs_R1. rewrite Rabs_left; lra. }
          rewrite (Hvs k Hk). unfold lincomb. eapply Rle_trans; [apply rsum_abs|]. apply rsum_le; intros l Hl.
          rewrite Rabs_mult. rewrite (Rabs_right (s l)). lra. apply Rle_ge; auto.
        - rewrite rsum_swap, <- rsum_scal. apply rsum_le; intros l Hl. rewrite rsum_scal. rewrite Rmult_comm.
          apply Rmult_le_compat_r; auto. eapply Rle_trans; [| apply (HGb ct Hct)].
          apply (rsum_term_le d (fun l => rsum d (fun i => Rabs (IZR (nth i (nth l (generators (fst ct)) nil) 0%Z)))) l Hl).
          intros; apply rsum_nonneg; intros; apply Rabs_pos. }
      apply Rmult_le_reg_l with G; auto. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
      assert (G * rsum d s <= G * y) by (apply Rmult_le_compat_l; lra). lra.
    - apply upper_step; auto.
    - intros l Hl. exists ct0, 1. destruct (Hfg l Hl) as [F1 F2]. fold (g l) in F1, F2. split; auto. split; auto. split; [|split].
      + intros k Hk. rewrite functional_scal, Rmult_1_l. rewrite Hfnv by (auto; apply Hd2; auto). apply IZR_le. apply F2; auto.
      + rewrite Hfnv; auto. ring.
      + apply IZR_lt. lia. }
  apply ext_le_from_reals. intros c Hc. set (del := (c - log_ratio m rn rd) / (IZR U + 1)).
  assert (Hdel : 0 < del) by (apply Rdiv_lt_0_compat; lra).
  eapply ext_le_trans; [now apply (Hmain del)|]. simpl.
  assert (del * (IZR U + 1) = c - log_ratio m rn rd) by (unfold del; field; lra). lra.
Qed.
End UpSound.
End Model.
